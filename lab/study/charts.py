"""The study's plots: what the tables of the scale and of the window hold, with their intervals."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import pandas as pd

from lab.study.questions import INTERVAL_STEPS, STEPS, THIRD
from lab.study.tables import title, unit

matplotlib.use("Agg")
from matplotlib import pyplot as plt  # noqa: E402 - after the choice of the backend
from matplotlib.axes import Axes  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402

DISTANCE, SETTLED = "change of the Fréchet distance", "change of the settled distance"
CHANGES = {"frechet_difference": DISTANCE, "frechet_settled_difference": SETTLED}
OVER_SCALE = [*CHANGES, "precision", "precision_settled", "recall", "accuracy", "high_frequency", "clipped"]
OVER_STEPS = ["frechet_difference", "frechet_per_call", "frechet_settled_difference"]
FLOOR = {"color": "0.5", "linestyle": ":", "linewidth": 1}
WIDTH = 11


def named(metric: str) -> str:
    return "precision %, settled" if metric == "precision_settled" else CHANGES.get(metric) or title(metric)


def bars(rows: pd.DataFrame, metric: str) -> tuple[pd.Series, list[pd.Series]]:
    """The figures, and how far their intervals reach down and up."""
    value, low, high = (rows[f"{metric}{end}"] * unit(metric)[0] for end in ("", "_low", "_high"))
    return value, [value - low, high - value]


def save(figure: Figure, panel: Axes, file: Path) -> None:
    """With a legend above all panels, where it hides nothing."""
    handles, labels = panel.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), frameon=False)
    figure.savefig(file, dpi=110)
    plt.close(figure)


def over_scale(rows: pd.DataFrame, file: Path) -> None:
    """Metrics over the scale, one curve for each cfg; the floor, or no change, is dotted."""
    figure, panels = plt.subplots(2, 4, figsize=(WIDTH + 3, 6), layout="constrained")
    settings, floor = rows[rows["steps"].notna()].sort_values("scale"), rows[rows["steps"].isna()]
    kinds = settings["cfg"].map("cfg {:g}".format).where(settings["conditional"] == True, "unconditional")  # noqa: E712
    panels.flat[3].sharey(panels.flat[2])  # precision both ways
    for panel, metric in zip(panels.flat, OVER_SCALE, strict=True):
        for kind, own in settings.groupby(kinds):
            value, reach = bars(own, metric)
            value = value.where(own["scale"] != 0, 0.0) if metric in CHANGES else value  # it is held against itself
            panel.errorbar(own["scale"], value, reach, marker="o", markersize=3, capsize=2, label=kind)
        for value in [0.0] if metric in CHANGES else floor[metric]:
            panel.axhline(value * unit(metric)[0], **FLOOR)
        panel.set(title=named(metric), xlabel="scale")
    save(figure, panels[0, 0], file)


def over_steps(rows: pd.DataFrame, file: Path) -> None:
    """What each window changes, drawn where it lies: in all, for each extra call, settled. Above 0 is a loss."""
    rows = rows[rows["frechet_difference"].notna()]
    held = rows["active"].where(rows["sigmas"].isna(), "{} to {}".format(*INTERVAL_STEPS)).fillna(f"0 to {STEPS}")
    rows = rows.join(held.str.split(" to ", expand=True).astype(int).rename(columns={0: "first", 1: "last"}))
    cfgs = rows.groupby("cfg")
    figure, panels = plt.subplots(3, len(cfgs), figsize=(WIDTH, 9), layout="constrained", sharex=True, squeeze=False)
    for column, (cfg, own) in zip(panels.T, cfgs, strict=True):
        thirds = own["last"] - own["first"] == THIRD
        kinds = [(own[thirds], f"windows of {THIRD} steps", "tab:blue"), (own[~thirds], "longer windows", "tab:orange")]
        for panel, metric in zip(column, OVER_STEPS, strict=True):
            for kind, name, colour in kinds:
                value, reach = bars(kind, metric)
                panel.hlines(value, kind["first"], kind["last"], color=colour, linewidth=2, alpha=0.6, label=name)
                panel.errorbar((kind["first"] + kind["last"]) / 2, value, reach, fmt="none", color=colour, capsize=3)
            panel.axhline(0, **FLOOR)
            panel.set(title=f"cfg {cfg:g}", ylabel=named(metric), xlim=(0, STEPS), xticks=range(0, STEPS + 1, 5))
        column[-1].set_xlabel("step")
    save(figure, panels[0, 0], file)


DRAWN = {"a": over_scale, "b": over_steps}  # by question
