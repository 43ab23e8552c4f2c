"""The report's pictures."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

Estimate = tuple[float, float, float]  # a median, and its interval
Series = dict[str, list[Estimate]]  # by label, one a case
PACK, HOSTS, QUIET, GOAL = "#0b7285", "#e8590c", "#868e96", "#c2255c"
KINDS = {"sd15": "SD1.5", "sdxl": "SDXL", "tiny": "tiny"}
GOAL_INSIDE, GOAL_OUTSIDE = 3, 0.5  # %, beyond the limit and beyond unpatched
STYLE = {
    "font.size": 11, "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.color": "#e9ecef",
    "axes.axisbelow": True, "savefig.dpi": 160, "axes.edgecolor": "#adb5bd", "legend.frameon": False,
    "axes.titlelocation": "left", "errorbar.capsize": 3,
}  # fmt: skip
MARKS = [(HOSTS, "s"), (PACK, "o"), (PACK, "D")]  # of the series of overhead, in their order


def spread(found: Iterable[Estimate]) -> tuple[np.ndarray, np.ndarray]:
    """The medians [n], and how far their intervals [2, n] reach below and above; 0 where there is none."""
    middle, low, high = np.array(list(found)).T
    return middle, np.nan_to_num([middle - low, high - middle])


def overhead(cases: list[str], panels: list[Series], path: Path) -> None:
    """Two panels: what is above the limit with all or half of the steps active, and above unpatched with none."""
    with mpl.rc_context(STYLE | {"axes.titleweight": "bold"}):
        figure = Figure(figsize=(11, 1.6 + 0.75 * len(cases)), layout="constrained")
        left, right = figure.subplots(1, 2, sharey=True)
        for panel, series, goal in zip((left, right), panels, (GOAL_INSIDE, GOAL_OUTSIDE), strict=True):
            dots(panel, series, goal)
            panel.legend(loc="upper center", bbox_to_anchor=(0.5, -0.5 / len(cases)), ncols=2, fontsize=9)
        left.set_yticks(range(len(cases)), [title_of(name) for name in cases])
        left.invert_yaxis()
        left.set(title="Steps inside the window", xlabel="time beyond the limit, %, with 95 % intervals")
        right.set(title="Steps outside the window", xlabel="time beyond unpatched, %, logarithmic beyond 1")
        right.set_xscale("symlog", linthresh=1)
        right.set_xlim(1.2 * min(-1.7, right.dataLim.xmin), 150)
        right.xaxis.set_major_formatter(lambda x, _: f"{x:g}")
        figure.savefig(path)


def title_of(case: str) -> str:
    """`sdxl-1024-b4` as a reader says it."""
    family, side, batch = case.split("-")
    return f"{KINDS[family]} {side}x{side}\nbatch {batch[1:]}"


def dots(panel: Any, series: Series, goal: float) -> None:
    """One row a case, one dot with its interval a series; and a line at the goal, in %."""
    panel.axvline(0, color=QUIET, linewidth=1)
    panel.axvline(goal, color=GOAL, linewidth=1, linestyle="--", label=f"goal, {goal:g} %")
    for n, ((label, found), (color, marker)) in enumerate(zip(series.items(), MARKS, strict=False)):
        middle, reach = spread(found)
        rows = np.arange(len(found)) + 0.2 * (n - (len(series) - 1) / 2)
        panel.errorbar(middle, rows, xerr=reach, fmt=marker, color=color, markersize=7, label=label,
                       markerfacecolor="white" if marker == "D" else color)  # fmt: skip
    panel.grid(axis="y", visible=False)
