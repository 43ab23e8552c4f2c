"""The study's plot: what each planned setting changes in both feature spaces, with its interval."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import pandas as pd

from lab.study.questions import PLANNED_CFG, deciding
from lab.study.tables import EYES, TITLES

matplotlib.use("Agg")
from matplotlib import pyplot as plt  # noqa: E402 - after the choice of the backend


def draw(results: pd.DataFrame, file: Path) -> None:
    """A panel for each world and feature space. Left of 0 is a gain."""
    figure, panels = plt.subplots(len(PLANNED_CFG), 2, figsize=(11, 12), layout="constrained", sharey="row")
    for pair, world in zip(panels, PLANNED_CFG, strict=True):
        called = {name: s.name for name, s in deciding(world).items() if not name.startswith("no guidance")}
        called.pop("the dose, fewer")
        rows = results.set_index("name").loc[list(called.values())[::-1]]
        for panel, eye in zip(pair, EYES, strict=True):
            value, high = rows[f"{eye}_difference"], rows[f"{eye}_difference_high"]
            panel.errorbar(value, list(called)[::-1], xerr=high - value, fmt="o", markersize=4, capsize=3)
            panel.axvline(0, color="0.5", linestyle=":", linewidth=1)
            panel.set(title=f"{world}: change of {TITLES[eye]}")
    figure.savefig(file, dpi=90)
    plt.close(figure)
