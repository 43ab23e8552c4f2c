"""What is compared within a repetition, and medians with their intervals."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import bootstrap

from lab.benchmarks.cases import ALL, HALF, HOST, LIMIT, NONE, UNPATCHED, VARIANTS

RATIOS: dict[str, Callable[[pd.DataFrame], pd.Series]] = {  # of times by variant
    "all steps / limit": lambda t: t[ALL] / t[LIMIT],
    "ComfyUI's own SAG / limit": lambda t: t[HOST] / t[LIMIT],
    "no step / unpatched": lambda t: t[NONE] / t[UNPATCHED],
    "half / (unpatched + half the limit's extra)": lambda t: t[HALF] / ((t[UNPATCHED] + t[LIMIT]) / 2),
    "limit / unpatched": lambda t: t[LIMIT] / t[UNPATCHED],
}


class Estimate(NamedTuple):
    """A median and its 95 % bootstrap interval; no interval (NaN) where there are too few values."""

    median: float
    low: float = np.nan
    high: float = np.nan


def estimate(values: Iterable[float]) -> Estimate:
    """Of the values that are there; NaN is none."""
    known = pd.Series(values, dtype=float).dropna()
    if len(known) < 3:
        return Estimate(known.median())
    return Estimate(known.median(), *bootstrap((known,), np.median, method="percentile", rng=0).confidence_interval)


def shown(values: Iterable[float], pattern: str = "{:.4f}") -> str:
    median, low, high = (pattern.format(value) for value in estimate(values))
    return median if low == "nan" else f"{median} ({low} to {high})"


def by_case(samples: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Of each case one row a repetition, one column a variant. Of a repetition that was begun twice the last counts."""
    last = samples.drop_duplicates(["case", "repetition", "variant"], keep="last")
    tables = last.pivot(index=["case", "repetition"], columns="variant", values="seconds").reindex(columns=VARIANTS)
    return {name: tables.loc[name].astype(float) for name in last["case"].unique()}
