"""Statistics of one case: ratios and differences paired within a repetition, as medians with their intervals."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import bootstrap

CONFIDENCE = 0.95
SEED = 0


class Estimate(NamedTuple):
    """A median and its 95 % bootstrap interval; no interval (NaN) where there are too few values."""

    median: float
    low: float
    high: float
    count: int

    def above(self, goal: float) -> bool:
        """Whether the whole interval lies above the goal."""
        return self.low > goal

    def shown(self, pattern: str = "{:.4f}") -> str:
        text = pattern.format(self.median)
        return text if np.isnan(self.low) else f"{text} ({pattern.format(self.low)} to {pattern.format(self.high)})"


def estimate(values: np.ndarray) -> Estimate:
    values = np.asarray(values, dtype=float)
    values = values[~np.isnan(values)]
    if len(values) < 3:
        return Estimate(float(np.median(values)) if len(values) else np.nan, np.nan, np.nan, len(values))
    if values.max() == values.min():
        return Estimate(values[0], values[0], values[0], len(values))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = bootstrap((values,), np.median, confidence_level=CONFIDENCE, method="percentile", rng=SEED)
    return Estimate(float(np.median(values)), *map(float, found.confidence_interval), len(values))


def table(records: list[dict], value: str = "seconds") -> pd.DataFrame:
    """One row a repetition, one column a variant; repetitions that lack a variant are left out."""
    rows = pd.DataFrame(records).pivot_table(index="repetition", columns="variant", values=value, dropna=False)
    return rows.dropna(how="all")


def ratio(times: pd.DataFrame, over: Callable[[pd.DataFrame], pd.Series], under: Callable[[pd.DataFrame], pd.Series]):
    """The ratio of two columns, or of what is made of them, within each repetition."""
    return estimate((over(times) / under(times)).to_numpy())


def half_limit(times: pd.DataFrame) -> pd.Series:
    """Unpatched plus half of what the limit adds."""
    return times["unpatched"] + (times["limit"] - times["unpatched"]) / 2
