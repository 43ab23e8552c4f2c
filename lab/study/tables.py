"""The study's results as a CSV, one row a setting, and that CSV as tables of Markdown and as figures in a sentence.

For every metric: its figure, `low` and `high` of its 95 % interval, and the same of its difference from the setting
named in `against`, over the very same noise and classes. Rows of plan.md also have that of the dose minus the row.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lab.study.metrics import interval
from lab.study.questions import (
    PLANNED_CFG,
    SHIPPED_DETAIL,
    STEPS,
    VARIED,
    Setting,
    deciding,
    free_controls,
    planned,
    questions,
)

TITLES = {
    "frechet": "classifier's distance", "frechet_imagenet": "ImageNet's distance", "frechet_settled": "settled",
    "precision": "precision %", "recall": "recall %", "precision_imagenet": "ImageNet's precision %",
    "recall_imagenet": "ImageNet's recall %", "accuracy": "right class %", "clipped": "clipped %",
    "high_frequency": "high frequencies, 1/1000", "high_frequency_off": "high frequencies off, 1/1000",
    "nearest": "nearest training picture", "copied": "copied %",
}  # fmt: skip
PERCENT, THOUSANDTHS = (100, 1), (1000, 2)  # a factor, and decimals
UNITS = {"precision": PERCENT, "recall": PERCENT, "precision_imagenet": PERCENT, "recall_imagenet": PERCENT,
         "accuracy": PERCENT, "clipped": PERCENT, "copied": PERCENT, "high_frequency": THOUSANDTHS,
         "high_frequency_off": THOUSANDTHS, "frechet_imagenet": (1, 2)}  # else (1, 3)  # fmt: skip
EYES = ("frechet", "frechet_imagenet")  # the distance in each feature space that decides
PLANNED = [f"{eye}{end}" for eye in EYES for end in ("", "_difference", "_dose")]
REST = ["precision", "recall", "recall_difference", "recall_imagenet_difference", "accuracy", "high_frequency_off"]
COLUMNS = {
    "decide": [*PLANNED, "frechet_settled_difference", *REST, "clipped"],
    "choose": [*PLANNED[:2], *PLANNED[3:5], "precision", "recall", "accuracy", "high_frequency_off"],
    "sweep": [*EYES, "precision", "recall", "accuracy", "high_frequency_off", "nearest", "copied"],
    "spoiled": [*EYES, "frechet_settled", "precision", "recall", "high_frequency", "copied"],
}  # by question


def with_interval(name: str, replicates: np.ndarray) -> dict[str, float]:
    return dict(zip((name, f"{name}_low", f"{name}_high"), (replicates[0], *interval(replicates)), strict=True))


def held_against(row: dict[str, Any], rows: dict[str, dict[str, Any]]) -> dict[str, Any] | None:
    """The row without guidance; for that with more steps, the one with the usual number; for spoiled pictures, real."""
    name = row["plain"]
    if name == row["name"] and "cfg" in row:
        sampler = row.get("sampler", Setting.sampler)
        name = Setting(row["world"], cfg=row["cfg"], count=row["count"], sampler=sampler).name
    return rows.get(name) if name != row["name"] else None


def planned_doses(lines: list[dict[str, Any]]) -> dict[tuple, str]:
    """Of plan.md: by world, cfg and count."""
    counts = {(line["world"], line["count"]) for line in lines}
    return {(world, PLANNED_CFG[world], count): planned(world, count)[1].name for world, count in counts}


def collect(lines: list[dict[str, Any]], doses: dict[tuple, str] | None = None) -> pd.DataFrame:
    """One row a setting. A name that comes twice must be from one run continued, and the last one counts.

    `doses` has the name of the dose by world, cfg and count; None: those of plan.md.
    """
    doses = planned_doses(lines) if doses is None else doses
    rows, table = {line["name"]: line for line in lines}, []
    for row in rows.values():
        pairs = {key: " to ".join(f"{v:g}" for v in value) for key, value in row.items() if isinstance(value, list)}
        found = {key: value for key, value in (row | pairs).items() if key not in ("figures", "plain")}
        figures = {metric: np.array(replicates) for metric, replicates in row["figures"].items()}
        against = held_against(row, rows)
        found["against"] = against["name"] if against else ""
        for metric, replicates in figures.items():
            found |= with_interval(metric, replicates)
            if against and metric in against["figures"]:
                found |= with_interval(f"{metric}_difference", replicates - np.array(against["figures"][metric]))
        dose = rows.get(doses.get((row["world"], row.get("cfg"), row["count"]), ""), {"figures": {}})
        for eye in figures.keys() & dose["figures"].keys() & set(EYES):
            found |= with_interval(f"{eye}_dose", np.array(dose["figures"][eye]) - figures[eye])
        table.append(found)
    return pd.DataFrame(table)


def read(csv: Path) -> pd.DataFrame:
    return pd.read_csv(csv)


def title(metric: str) -> str:
    """A column's heading; what stands beside a distance need not say of what it is."""
    bare = re.sub("_difference|_dose", "", metric)
    if metric.endswith("_dose"):
        return "dose minus this"
    own = "its change" if bare in EYES else f"{TITLES[bare]}: its change"
    return own if metric.endswith("_difference") else TITLES[bare]


def shown(row: pd.Series, metric: str) -> str:
    """`1.234 ± 0.034`, its 95 % interval; a dash where there is none."""
    if pd.isna(row.get(metric)):
        return "–"
    factor, decimals = UNITS.get(re.sub("_difference|_dose", "", metric), (1, 3))
    sign = "+" if re.search("difference|dose", metric) else ""
    value, high = (row[f"{metric}{end}"] * factor for end in ("", "_high"))
    return f"{value:{sign}.{decimals}f} ± {high - value:.{decimals}f}"


def label(name: str) -> str:
    """A setting's name without what all of a table share."""
    return re.sub(rf"^\w+, |, {STEPS} steps(?=,)|, \d+ pictures|, form {SHIPPED_DETAIL}", "", name)


def reading_order(setting: Setting) -> tuple:
    """Where a setting stands in its table: by cfg, then by what the question varies."""
    varied = [(field in setting.varied(), getattr(setting, field)) for field in VARIED]  # what is plain first
    return (-setting.count, setting.cfg, *varied, setting.scale, setting.steps, setting.active or (-1, 0))


def rows_of(results: pd.DataFrame, world: str, question: str) -> pd.DataFrame:
    """The rows that answer a question, and last the real test pictures, as many as are nearest to the sampled ones."""
    own = results[results["world"] == world]
    floors = own[own["name"].str.startswith(f"{world}, test pictures")]
    if question == "spoiled":
        return floors[floors["count"] == floors["count"].max()]
    names = [s.name for s in sorted(questions(world)[question], key=reading_order)]
    found = own.set_index("name", drop=False).reindex(names).dropna(how="all")
    floors = floors[floors["name"].str.contains("test pictures, ")]
    nearest = floors.loc[(floors["count"] - found["count"].max()).abs().nsmallest(1).index]
    return pd.concat([found, nearest]) if len(found) else found


def markdown(lines: list[list[str]]) -> str:
    """The first line is the heading."""
    return "\n".join("| " + " | ".join(line) + " |" for line in (lines[0], ["---"] * len(lines[0]), *lines[1:]))


def evaluations(rows: pd.DataFrame | pd.Series) -> Any:
    """Of the model, for one picture. A call evaluates both prompts, so it counts two."""
    return rows["steps"] * (1 + (rows["cfg"] != 1)) + rows["extra_calls"]


def table(results: pd.DataFrame, world: str, question: str) -> str:
    """A question's table in Markdown."""
    rows = rows_of(results, world, question)
    if rows.empty:
        return "Not sampled yet."
    fewer = rows["count"].map(lambda n: "" if n == rows["count"].max() else f", {n:,.0f} pictures")
    cells = [("setting", rows["name"].map(label) + fewer)]
    cells.append(("UNet evaluations", evaluations(rows).map("{:.0f}".format).replace("nan", "–")))
    cells += [(title(metric), rows.apply(shown, axis=1, metric=metric)) for metric in COLUMNS[question]]
    lines = [[heading for heading, _ in cells], *map(list, zip(*(own for _, own in cells), strict=True))]
    return f"{markdown(lines)}\n\n{rows['count'].max():,.0f} pictures a row where nothing else is said."


def figure(results: pd.DataFrame, wanted: str) -> str:
    """`NAME: METRIC` as it stands in the tables; KeyError where there is none. `WORLD, the dose` is a name, too."""
    name, metric = wanted.rsplit(": ", 1)
    planned_names = {f"{world}, {called}": s.name for world in PLANNED_CFG for called, s in deciding(world).items()}
    name = planned_names.get(name, name)
    row = results[results["name"] == name]
    if len(row) != 1:
        raise KeyError(f"no setting named {name}")
    if metric == "test_accuracy":
        return f"{row.iloc[0][metric]:.1%}".replace("%", " %")
    return shown(row.iloc[0], metric)


def decisive(results: pd.DataFrame, world: str) -> dict[str, tuple[pd.Series, pd.Series]]:
    """What the rule of plan.md looks at, for each feature space: the dose's row, and the best free control's."""
    own = results.set_index("name", drop=False)
    dose, controls = own.loc[planned(world)[1].name], own.loc[[s.name for s in free_controls(world).values()]]
    return {eye: (dose, controls.loc[controls[eye].idxmin()]) for eye in EYES}


def below(eye: str, dose: pd.Series, best: pd.Series) -> bool:
    """The whole intervals of the dose minus no guidance, and minus the best free control, lie below 0."""
    return dose[f"{eye}_difference_high"] < 0 and best[f"{eye}_dose_high"] < 0


def passes(results: pd.DataFrame, world: str) -> bool:
    """The rule: it is so in both feature spaces."""
    return all(below(eye, *rows) for eye, rows in decisive(results, world).items())


def rule(results: pd.DataFrame) -> str:
    """The rule's table, of all worlds."""
    lines = [
        ["world", "seen by", "dose minus no guidance", "minus the best free control", "that control", "both below 0"]
    ]
    for world in PLANNED_CFG:
        called = {setting.name: name for name, setting in free_controls(world).items()}
        for eye, (dose, best) in decisive(results, world).items():
            verdict = "yes" if below(eye, dose, best) else "no"
            minus = shown(dose, f"{eye}_difference"), shown(best, f"{eye}_dose")
            lines.append([world, TITLES[eye].removesuffix("'s distance"), *minus, called[best["name"]], verdict])
    return markdown(lines)
