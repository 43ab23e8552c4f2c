"""The study's plots: what a table holds, with its intervals, for every question."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import pandas as pd

from lab.study.questions import INTERVAL_STEPS, STEPS, THIRD
from lab.study.tables import A_CALL, BOTH_WAYS, COLUMNS, SETTLED, Column, label

matplotlib.use("Agg")
from matplotlib import pyplot as plt  # noqa: E402 - after the choice of the backend
from matplotlib.axes import Axes  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402

FRECHET, CHANGE, PRECISION, RECALL, ACCURACY, HIGH, CLIPPED = COLUMNS
SETTLED_CHANGE, SETTLED_PRECISION = SETTLED[1], BOTH_WAYS[5]
OVER_SCALE = {
    "change of the Fréchet distance": CHANGE, "change of the settled distance": SETTLED_CHANGE,
    "precision %": PRECISION, "precision %, settled": SETTLED_PRECISION, "recall %": RECALL,
    "right class %": ACCURACY, HIGH.title: HIGH, CLIPPED.title: CLIPPED,
}  # fmt: skip
OVER_STEPS = {
    "change of the Fréchet distance": CHANGE, A_CALL.title: A_CALL, "change of the settled distance": SETTLED_CHANGE,
}  # fmt: skip
FLOOR = {"color": "0.5", "linestyle": ":", "linewidth": 1}
WIDTH = 11


def bars(row: pd.DataFrame, column: Column) -> tuple[pd.Series, list[pd.Series]]:
    """The figures, and how far their intervals reach down and up."""
    value, low, high = (row[f"{column.metric}{end}"] * column.factor for end in ("", "_low", "_high"))
    return value, [value - low, high - value]


def named(figure: Figure, panel: Axes) -> None:
    """A legend above all panels, where it hides nothing."""
    handles, labels = panel.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), frameon=False)


def curves(rows: pd.DataFrame, file: Path) -> None:
    """Metrics over the scale, one curve for each cfg; the floor, or no change, is dotted."""
    figure, panels = plt.subplots(2, 4, figsize=(WIDTH + 3, 6), layout="constrained")
    settings, floor = rows[rows["steps"].notna()], rows[rows["steps"].isna()]
    settings = settings.assign(kind=settings["cfg"].map("cfg {:g}".format))
    settings.loc[settings["conditional"] == False, "kind"] = "unconditional"  # noqa: E712 - a column of objects
    panels.flat[3].sharey(panels.flat[2])  # precision both ways
    for panel, (title, column) in zip(panels.flat, OVER_SCALE.items(), strict=True):
        for kind, own in settings.groupby("kind", sort=True):
            own = own.sort_values("scale")
            value, reach = bars(own, column)
            if column in (CHANGE, SETTLED_CHANGE):
                value = value.where(own["scale"] != 0, 0.0)  # the plain model is what it is held against
            panel.errorbar(own["scale"], value, reach, marker="o", markersize=3, capsize=2, label=kind)
        for value in [0.0] if column in (CHANGE, SETTLED_CHANGE) else floor[column.metric]:
            panel.axhline(value * column.factor, **FLOOR)
        panel.set(title=title, xlabel="scale")
    named(figure, panels[0, 0])
    figure.savefig(file, dpi=110)
    plt.close(figure)


def dots(panel: Axes, rows: pd.DataFrame, column: Column) -> None:
    value, reach = bars(rows, column)
    panel.errorbar(value, range(len(rows)), xerr=reach, fmt="o", markersize=4, capsize=2)
    panel.set(title=column.title)
    panel.margins(y=0.02 + 0.5 / len(rows))
    panel.grid(axis="x", alpha=0.3)


def over_steps(rows: pd.DataFrame, file: Path) -> None:
    """What each window changes, drawn where it lies: in all, for each extra call, settled. Above 0 is a loss."""
    rows = rows[rows["frechet_difference"].notna()]
    held = rows["active"].where(rows["sigmas"].isna(), "{} to {}".format(*INTERVAL_STEPS)).fillna(f"0 to {STEPS}")
    cfgs = sorted(rows["cfg"].unique())
    figure, panels = plt.subplots(3, len(cfgs), figsize=(WIDTH, 9), layout="constrained", sharex=True, squeeze=False)
    for column, cfg in zip(panels.T, cfgs, strict=True):
        for panel, (title, metric) in zip(column, OVER_STEPS.items(), strict=True):
            own = rows[rows["cfg"] == cfg]
            ends = held[own.index].str.split(" to ", expand=True).astype(int)
            for length, colour in ((THIRD, "tab:blue"), (0, "tab:orange")):
                kind = (ends[1] - ends[0] == THIRD) == (length == THIRD)
                value, reach = bars(own[kind], metric)
                middle = (ends[0] + ends[1])[kind] / 2
                panel.hlines(value, ends[0][kind], ends[1][kind], color=colour, linewidth=2, alpha=0.6,
                             label=f"windows of {THIRD} steps" if length else "longer windows")  # fmt: skip
                panel.errorbar(middle, value, reach, fmt="none", color=colour, capsize=3)
            panel.axhline(0, **FLOOR)
            panel.set(title=f"cfg {cfg:g}", ylabel=title, xlim=(0, STEPS))
            panel.set_xticks(range(0, STEPS + 1, 5))
        column[-1].set_xlabel("step")
    named(figure, panels[0, 0])
    figure.savefig(file, dpi=110)
    plt.close(figure)


def listed(rows: pd.DataFrame, file: Path, changes: bool) -> None:
    """Metrics of every setting, one line each, in the table's order."""
    columns = [FRECHET, *([CHANGE] if changes else []), PRECISION, RECALL]
    figure, panels = plt.subplots(
        1, len(columns), figsize=(WIDTH, 1 + 0.28 * len(rows)), layout="constrained", sharey=True
    )
    for panel, column in zip(panels, columns, strict=True):
        dots(panel, rows.replace([float("inf"), -float("inf")], float("nan")), column)
    if changes:
        panels[1].axvline(0, **FLOOR)
    panels[0].set_yticks(range(len(rows)), [label(name) for name in rows["name"]], fontsize="small")
    panels[0].invert_yaxis()
    figure.savefig(file, dpi=110)
    plt.close(figure)


def plot(rows: pd.DataFrame, letter: str, file: Path) -> None:
    """The plot of one question's rows."""
    if letter == "a":
        curves(rows, file)
    elif letter == "b":
        over_steps(rows, file)
    else:
        listed(rows, file, changes=letter != "e")  # whose changes are against one setting here, another there
