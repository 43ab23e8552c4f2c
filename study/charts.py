"""The study's plots: what a table holds, with its intervals, for every question."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import pandas as pd
from tables import A_CALL, COLUMNS, Column, label

matplotlib.use("Agg")
from matplotlib import pyplot as plt  # noqa: E402 - after the choice of the backend
from matplotlib.axes import Axes  # noqa: E402

FRECHET, CHANGE, PRECISION, RECALL, ACCURACY, HIGH, CLIPPED = COLUMNS
FLOOR = {"color": "0.5", "linestyle": ":", "linewidth": 1}
WIDTH = 11


def bars(row: pd.DataFrame, column: Column) -> tuple[pd.Series, list[pd.Series]]:
    """The figures, and how far their intervals reach down and up."""
    value, low, high = (row[f"{column.metric}{end}"] * column.factor for end in ("", "_low", "_high"))
    return value, [value - low, high - value]


def curves(rows: pd.DataFrame, file: Path) -> None:
    """Metrics over the scale, one curve for each cfg; the floor is dotted."""
    figure, panels = plt.subplots(2, 3, figsize=(WIDTH, 6), layout="constrained")
    settings, floor = rows[rows["steps"].notna()], rows[rows["steps"].isna()]
    settings = settings.assign(kind=settings["cfg"].map("cfg {:g}".format))
    settings.loc[settings["conditional"] == False, "kind"] = "unconditional"  # noqa: E712 - a column of objects
    for panel, column in zip(panels.flat, (FRECHET, PRECISION, RECALL, ACCURACY, HIGH, CLIPPED), strict=True):
        for kind, own in settings.groupby("kind", sort=True):
            own = own.sort_values("scale")
            value, reach = bars(own, column)
            panel.errorbar(own["scale"], value, reach, marker="o", markersize=3, capsize=2, label=kind)
        for value in floor[column.metric]:
            panel.axhline(value * column.factor, **FLOOR)
        panel.set(title=column.title, xlabel="scale")
    panels[0, 0].legend(fontsize="small")
    figure.savefig(file, dpi=110)
    plt.close(figure)


def dots(panel: Axes, rows: pd.DataFrame, column: Column) -> None:
    value, reach = bars(rows, column)
    panel.errorbar(value, range(len(rows)), xerr=reach, fmt="o", markersize=4, capsize=2)
    panel.set(title=column.title)
    panel.margins(y=0.02 + 0.5 / len(rows))
    panel.grid(axis="x", alpha=0.3)


def listed(rows: pd.DataFrame, file: Path, per_call: bool) -> None:
    """Metrics of every setting, one line each, in the table's order."""
    columns = [FRECHET, A_CALL if per_call else CHANGE, PRECISION, RECALL]
    figure, panels = plt.subplots(
        1, len(columns), figsize=(WIDTH, 1 + 0.28 * len(rows)), layout="constrained", sharey=True
    )
    for panel, column in zip(panels, columns, strict=True):
        dots(panel, rows.replace([float("inf"), -float("inf")], float("nan")), column)
    panels[1].axvline(0, **FLOOR)
    panels[0].set_yticks(range(len(rows)), [label(name) for name in rows["name"]], fontsize="small")
    panels[0].invert_yaxis()
    figure.savefig(file, dpi=110)
    plt.close(figure)


def plot(rows: pd.DataFrame, letter: str, file: Path) -> None:
    """The plot of one question's rows."""
    if letter == "a":
        curves(rows, file)
    else:
        listed(rows, file, per_call=letter == "b")
