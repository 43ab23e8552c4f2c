#!/usr/bin/env python3
"""Makes docs/study/results.csv, one row a setting, of the lines that study/sample_settings.py wrote.

    python -m lab.study.collect WORK/fashion.jsonl WORK/emoji.jsonl

For every metric: its figure, `low` and `high` of its 95 % interval, and the same of its difference from the setting
named in `against`, over the very same noise and classes.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lab.study.metrics import corrected, interval

CSV = Path(__file__).resolve().parents[2] / "docs/study/results.csv"
METRICS = ("frechet", "precision", "recall", "accuracy", "high_frequency", "clipped")


def with_interval(name: str, replicates: np.ndarray) -> dict[str, float]:
    low, high = interval(replicates)
    return {name: replicates[0], f"{name}_low": low, f"{name}_high": high}


def in_words(value: Any) -> Any:
    """A pair of numbers as `0 to 7`."""
    return " to ".join(f"{v:g}" for v in value) if isinstance(value, list) else value


def collected(rows: dict[str, dict[str, Any]]) -> pd.DataFrame:
    """One row a setting, of the lines by name."""
    table = []
    for row in rows.values():
        found = {key: in_words(value) for key, value in row.items() if key not in ("figures", "plain")}
        against = rows.get(row.get("cfg_like") or row.get("plain", ""))
        found["against"] = against["name"] if against and against is not row else ""
        for metric, replicates in row["figures"].items():
            found |= with_interval(metric, np.array(replicates))
            if found["against"] and metric in against["figures"]:
                difference = np.array(replicates) - np.array(against["figures"][metric])
                found |= with_interval(f"{metric}_difference", difference)
        found["frechet_corrected"] = corrected(np.array(row["figures"]["frechet"]))
        table.append(found)
    return pd.DataFrame(table)


def lines_of(files: list[Path]) -> dict[str, dict[str, Any]]:
    """The lines by name; a name that comes twice must be from one run continued, and the last one counts."""
    return {row["name"]: row for file in files for row in map(json.loads, file.read_text().splitlines())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", nargs="+", type=Path)
    parser.add_argument("--csv", type=Path, default=CSV)
    options = parser.parse_args()
    options.csv.parent.mkdir(parents=True, exist_ok=True)
    table = collected(lines_of(options.results))
    table.to_csv(options.csv, index=False, float_format="%.6g", lineterminator="\n")
    print(f"{options.csv}: {len(table)} rows")


if __name__ == "__main__":
    main()
