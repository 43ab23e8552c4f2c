"""The DiTs' results by what plan.md calls its rows, and as tables of Markdown."""

from __future__ import annotations

import pandas as pd

from lab.study.dit.questions import BLOCKS, DiTSetting, blocks, deciding, free_controls, skips
from lab.study.tables import EYES, REST, TITLES, evaluations, markdown, shown, title

WORLDS = ("wesnoth", "fashion")
COLUMNS = [f"{eye}{end}" for eye in EYES for end in ("", "_difference", "_dose")] + REST[:2] + ["accuracy", REST[-1]]


class Found:
    """The results, by what the plan calls its rows."""

    def __init__(self, results: pd.DataFrame) -> None:
        self.rows = results.set_index("name", drop=False)
        self.deciding = {world: deciding(world, self.distances) for world in WORLDS}

    def distances(self, setting: DiTSetting) -> tuple[float, ...]:
        return tuple(self.rows.loc[setting.name, list(EYES)])

    def row(self, world: str, called: str) -> pd.Series:
        return self.rows.loc[self.deciding[world][called].name]

    def best_control(self, world: str, eye: str) -> pd.Series:
        """Of the free controls the one with the lowest distance in that feature space."""
        return min((self.row(world, name) for name in free_controls(world, self.distances)), key=lambda row: row[eye])

    def passes(self, world: str, eye: str) -> bool:
        """Whether both whole intervals of the rule lie below 0."""
        gained = self.row(world, "the dose")[f"{eye}_difference_high"] < 0
        return bool(gained and self.best_control(world, eye)[f"{eye}_dose_high"] < 0)

    def figure(self, wanted: str) -> str:
        """`WORLD, WHAT: METRIC` as it stands in the tables."""
        name, metric = wanted.rsplit(": ", 1)
        world, called = name.split(", ", 1)
        row = self.row(world, called) if called in self.deciding[world] else self.rows.loc[name]
        return shown(row, metric)

    def table(self, world: str) -> str:
        """The deciding rows of a world."""
        lines = [["setting", "model evaluations", *map(title, COLUMNS)]]
        for called in self.deciding[world]:
            row = self.row(world, called)
            lines.append([called, f"{evaluations(row):.0f}", *(shown(row, metric) for metric in COLUMNS)])
        return markdown(lines)

    def rule(self) -> str:
        """What the rule looks at."""
        heading = ["world", "seen by", "dose minus no guidance", "minus the best free control", "that control"]
        lines = [[*heading, "both below 0"]]
        for world in WORLDS:
            called = {setting.name: name for name, setting in self.deciding[world].items()}
            for eye in EYES:
                dose, best = self.row(world, "the dose"), self.best_control(world, eye)
                minus = shown(dose, f"{eye}_difference"), shown(best, f"{eye}_dose")
                seen, verdict = TITLES[eye].removesuffix("'s distance"), "yes" if self.passes(world, eye) else "no"
                lines.append([world, seen, *minus, called[best["name"]], verdict])
        return markdown(lines)

    def block(self) -> str:
        """The one that the dose reads."""
        return str(self.deciding[WORLDS[0]]["the dose"].block)

    def blocks(self) -> str:
        """By block, the change of both distances on garments."""
        kinds = ("small dose", "paper's SAG", "block left out")
        heading = [f"{kind}, {TITLES[eye].removesuffix(' distance')}" for kind in kinds for eye in EYES]
        settings = [*blocks(self.distances), *skips(self.distances)]
        lines = [["block", *heading]]
        for block in range(BLOCKS):
            rows = [self.rows.loc[setting.name] for setting in settings if setting.block == block]
            lines.append([str(block), *(shown(row, f"{eye}_difference") for row in rows for eye in EYES)])
        return markdown(lines)
