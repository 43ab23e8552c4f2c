#!/usr/bin/env python3
"""The study's lines as a CSV, one row a setting, and how a figure of it stands in a text. Needs no GPU and no ComfyUI.

    python -m lab.study.report docs/study/NAME.csv WORK/*.jsonl --dose "wesnoth, cfg 8, ..." --dose "photographs, ..."

For every metric: its figure, `low` and `high` of its 95 % interval, and the same of its difference from the setting
named in `against`, over the very same noise and classes. Beside a dose, the same of the dose minus the row.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lab.records import Record, read
from lab.study.metrics import interval
from lab.study.questions import EYES, Setting

PERCENT, THOUSANDTHS = (100, 1), (1000, 2)  # a factor, and decimals
UNITS = {"precision": PERCENT, "recall": PERCENT, "precision_imagenet": PERCENT, "recall_imagenet": PERCENT,
         "accuracy": PERCENT, "copied": PERCENT, "high_frequency": THOUSANDTHS,
         "high_frequency_off": THOUSANDTHS, "frechet_imagenet": (1, 2)}  # else (1, 3)  # fmt: skip


def with_interval(name: str, replicates: np.ndarray) -> dict[str, float]:
    return dict(zip((name, f"{name}_low", f"{name}_high"), (replicates[0], *interval(replicates)), strict=True))


def held_against(row: Record, rows: dict[str, Record]) -> Record | None:
    """The row without guidance; for that with more steps, the one with the usual number."""
    name = row["plain"]
    if name == row["name"] and "cfg" in row:
        own = {field: row.get(field, getattr(Setting, field)) for field in ("sampler", "noise")}
        name = Setting(row["world"], cfg=row["cfg"], count=row["count"], **own).name
    return rows.get(name) if name != row["name"] else None


def compared(row: Record) -> tuple[Any, ...]:
    """What rows share that a dose is held against: pictures of the same noise and classes."""
    return row["world"], row.get("sampler"), row.get("noise"), row["count"]


def collect(lines: list[Record], doses: Iterable[str] = ()) -> pd.DataFrame:
    """One row a setting, `doses` being names of some. Of a name that comes twice the last counts."""
    rows, table = {line["name"]: line for line in lines}, []
    dose_of = {compared(rows[name]): rows[name] for name in doses}
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
        dose = dose_of.get(compared(row), {"figures": {}})
        for eye in figures.keys() & dose["figures"].keys() & set(EYES):
            found |= with_interval(f"{eye}_dose", np.array(dose["figures"][eye]) - figures[eye])
        table.append(found)
    return pd.DataFrame(table)


def best_of(rows: pd.DataFrame, names: list[str], eye: str) -> pd.Series:
    """Of rows by name, the one with the lowest distance in that feature space."""
    return rows.loc[rows.loc[names, eye].idxmin()]


def below(rows: pd.DataFrame, dose: str, controls: list[str], eye: str) -> bool:
    """The rule of plan.md: whole intervals below 0, of the dose minus no guidance, and minus the best free control."""
    return bool(rows.loc[dose, f"{eye}_difference_high"] < 0 and best_of(rows, controls, eye)[f"{eye}_dose_high"] < 0)


def shown(row: pd.Series, metric: str) -> str:
    """`1.234 ± 0.034`, its 95 % interval."""
    factor, decimals = UNITS.get(re.sub("_difference|_dose", "", metric), (1, 3))
    sign = "+" if re.search("difference|dose", metric) else ""
    value, high = (row[f"{metric}{end}"] * factor for end in ("", "_high"))
    return f"{value:{sign}.{decimals}f} ± {high - value:.{decimals}f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("csv", type=Path)
    parser.add_argument("lines", nargs="+", type=Path)
    parser.add_argument("--dose", action="append", default=[], help="a row's name; one for a world and a sampler")
    options = parser.parse_args()
    table = collect(read(*options.lines), options.dose)
    table.to_csv(options.csv, index=False, float_format="%.6g", lineterminator="\n")


if __name__ == "__main__":
    main()
