"""The report's pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from lab.benchmarks.every import OFF
from lab.benchmarks.paired import Estimate, estimate
from lab.benchmarks.variants import ALL, HOST, NONE

if TYPE_CHECKING:
    from lab.benchmarks.report import Results

PACK, HOSTS, OTHER, QUIET, GOAL = "#0b7285", "#e8590c", "#5f3dc4", "#868e96", "#c2255c"
UNBOUNDED = 1000.0  # sigma_start
ENOUGH = 3  # repetitions for an interval
MIDDLE_TOKEN = {"sd15": 64, "sdxl": 32, "tiny": 32}  # image pixels along a side of a token in the middle block
GOAL_PERCENT = 0.5
STYLE = {
    "font.size": 11, "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.color": "#e9ecef",
    "axes.axisbelow": True, "savefig.dpi": 160, "axes.edgecolor": "#adb5bd", "legend.frameon": False,
}  # fmt: skip
GROWING = {
    HOST: ("ComfyUI's own SAG", HOSTS, "D"), ALL: ("this pack, inside the window", PACK, "o"),
    NONE: ("this pack, outside of it", QUIET, "s"),
}  # fmt: skip
KINDS = {"sd15": "SD1.5", "sdxl": "SDXL", "tiny": "tiny"}


def title_of(case: str) -> str:
    """`sdxl-1024-b4` as a reader says it."""
    family, side, batch = case.split("-")
    return f"{KINDS[family]} {side}x{side}\nbatch {batch[1:]}"


def percent(found: Estimate) -> tuple[float, float, float]:
    """A ratio's median above 1 in percent, and how far its interval reaches below and above."""
    median, low, high = (100 * (v - 1) for v in found[:3])
    return (median, 0.0, 0.0) if np.isnan(low) else (median, median - low, high - median)


def overhead(cases: dict[str, Results], path: Path) -> None:
    """Two panels: what is above the limit with all or half of the steps active, and above unpatched with none."""
    cases = {name: case for name, case in cases.items() if len(case.times) >= ENOUGH} or cases
    active = {
        "ComfyUI's own SAG, all steps": (HOSTS, "s", lambda c: c.over_limit(HOST)),
        "this pack, all steps": (PACK, "o", lambda c: c.over_limit(ALL)),
        "this pack, half of the steps": (PACK, "D", lambda c: c.over_half_limit()),
    }
    idle = {
        "ComfyUI's own SAG (always on)": (HOSTS, "s", lambda c: c.over_unpatched(HOST)),
        "this pack, no step": (PACK, "o", lambda c: c.over_unpatched(NONE)),
    }
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(11, 1.6 + 0.75 * len(cases)), layout="constrained")
        panels = figure.subplots(1, 2, sharey=True)
        for panel, series in zip(panels, (active, idle), strict=True):
            dots(panel, cases, series)
        panels[0].set_yticks(range(len(cases)), [title_of(name) for name in cases])
        panels[0].invert_yaxis()
        panels[0].set_title("Steps inside the window", loc="left", fontweight="bold")
        panels[0].set_xlabel("time beyond the limit, %, with 95 % intervals")
        panels[1].set_title("Steps outside the window", loc="left", fontweight="bold")
        panels[1].set_xlabel("time beyond unpatched, %, logarithmic beyond 1")
        panels[1].set_xscale("symlog", linthresh=1)
        lows = [100 * (case.over_unpatched(NONE).low - 1) for case in cases.values()]
        panels[1].set_xlim(1.2 * np.nanmin([-1.7, *lows]), 150)
        panels[1].xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
        figure.savefig(path)


def dots(panel, cases: dict[str, Results], series: dict) -> None:
    """One row a case, one dot with its interval a series."""
    panel.axvline(0, color=QUIET, linewidth=1)
    panel.axvline(GOAL_PERCENT, color=GOAL, linewidth=1, linestyle="--", label=f"goal, {GOAL_PERCENT:g} %")
    for n, (label, (color, marker, of)) in enumerate(series.items()):
        found = np.array([percent(of(case)) for case in cases.values()])
        rows = np.arange(len(cases)) + 0.2 * (n - (len(series) - 1) / 2)
        panel.errorbar(found[:, 0], rows, xerr=found[:, 1:].T, fmt=marker, color=color, markersize=7, capsize=3,
                       label=label, markerfacecolor="white" if marker == "D" else color)  # fmt: skip
    panel.grid(axis="y", visible=False)
    panel.legend(loc="upper center", bbox_to_anchor=(0.5, -0.5 / len(cases)), ncols=2, fontsize=9)


def growth(records: list[dict], path: Path) -> None:
    """A node's own time in a step against tokens, batch and steps; the last two on linear axes: a line is a line."""
    rows = pd.DataFrame(records)
    rows["tokens"] = [(side // MIDDLE_TOKEN[case.split("-")[0]]) ** 2 for case, side in rows[["case", "side"]].values]
    rows["ms"] = 1000 * rows["own_seconds"]
    labels = {"tokens": "tokens in the middle block", "batch": "batch", "steps": "steps"}
    # What is the same all along an axis
    kept = {"tokens": "batch 1, both axes logarithmic", "batch": "{0}x{0}", "steps": "{0}x{0}, batch 1"}
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(11, 3.8), layout="constrained")
        panels = figure.subplots(1, 3)
        for panel, (axis, label) in zip(panels, labels.items(), strict=True):
            for variant, (name, color, marker) in GROWING.items():
                part = rows[(rows["axis"] == axis) & (rows["variant"] == variant)]
                found = part.groupby(axis)["ms"].apply(lambda v: estimate(v.to_numpy()))
                middle = np.array([e.median for e in found])
                reach = np.array([[e.median - e.low, e.high - e.median] for e in found]).T
                panel.errorbar(found.index, middle, yerr=np.nan_to_num(reach), fmt=f"{marker}-", color=color,
                               label=name, capsize=3, markersize=6)  # fmt: skip
            panel.set_title(kept[axis].format(rows[rows["axis"] == axis]["side"].iloc[0]), loc="left", fontsize=11)
            panel.set_xlabel(label)
            if axis == "tokens":  # from a few hundred to many thousand, and as wide a range of times
                panel.set(xscale="log", yscale="log")
                panel.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}"))
            else:
                panel.set_xlim(left=0)
                panel.set_ylim(bottom=0)
            panel.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.0f}"))
        panels[0].set_ylabel("own time in a step, ms")
        panels[1].legend(fontsize=9, loc="upper left")
        figure.savefig(path)


def frontier(records: list[dict], path: Path) -> None:
    """Calls saved against the distance from `every` 1, with the distance that SAG itself makes for comparison.

    The extra calls are what SAG's time goes into, and they do not depend on what else the machine does.
    """
    rows = pd.DataFrame(records)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.6, 4.8), layout="constrained")
        panel = figure.subplots()
        series = rows.groupby(["steps", "sigma_start"])
        for ((steps, start), part), color, marker in zip(series, (OTHER, PACK, HOSTS), "Dos", strict=False):
            calls, distances = part.groupby("every")["calls"].mean(), 100 * part.groupby("every")["distance"].mean()
            tried = [n for n in calls.index if n != OFF]
            saved = [100 * (calls[1] - calls[n]) / (calls[1] - calls[OFF]) for n in tried]
            label = f"{steps} steps" + (f", sigma up to {start:g}" if start < UNBOUNDED else "")
            panel.plot(saved, distances[tried], f"{marker}-", color=color, label=label)
            for n, x in zip(tried[1:], saved[1:], strict=True):
                panel.annotate(f"{n}", (x, distances[n]), (0, 8), textcoords="offset points", ha="center", color=color,
                               fontweight="bold")  # fmt: skip
            panel.axhline(distances[OFF], color=color, linewidth=1, linestyle="--", label=f"no SAG, {label}")
        panel.set_xlabel("extra UNet calls saved, %")
        panel.set_ylabel("distance from every = 1, % of the latent's norm")
        panel.set_ylim(bottom=0)
        panel.margins(y=0.12)
        panel.legend(fontsize=9)
        figure.savefig(path)
