#!/usr/bin/env python3
"""Writes docs/study.md and its plots from docs/study/results.csv. Needs no GPU and no ComfyUI.

    python study/report.py

The text is study/study.template.md. There `{{table fashion a}}` stands for a question's table and plot, and
`{{NAME: METRIC}}` for a figure with its interval, so that no figure is typed by hand.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
from questions import questions
from tables import figure, rows_of, table, with_costs

ROOT = Path(__file__).resolve().parents[1]
TEMPLATE, TEXT, FOLDER = ROOT / "study/study.template.md", ROOT / "docs/study.md", ROOT / "docs/study"
NOTE = "<!-- Made by study/report.py of study/study.template.md and docs/study/results.csv. Edit those. -->\n\n"


def read(csv: Path) -> pd.DataFrame:
    return with_costs(pd.read_csv(csv, keep_default_na=True))


def rendered(template: str, results: pd.DataFrame) -> str:
    """The template with its tables and figures filled in; KeyError where the CSV lacks one."""

    def filled(found: re.Match[str]) -> str:
        words = found[1].split()
        if words[0] != "table":
            return figure(results, found[1])
        _, world, letter = words
        drawn = letter in questions(world) and len(rows_of(results, world, letter))
        picture = f"![{world}, question {letter}](study/{world}_{letter}.png)\n\n" if drawn else ""
        return picture + table(results, world, letter)

    return NOTE + re.sub(r"\{\{(.+?)\}\}", filled, template)


def draw_all(results: pd.DataFrame, folder: Path, plot: Callable[[pd.DataFrame, str, Path], None]) -> None:
    """One plot for each question that has rows."""
    for world in ("fashion", "emoji"):
        for letter in questions(world):
            rows = rows_of(results, world, letter)
            if len(rows):
                plot(rows, letter, folder / f"{world}_{letter}.png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--csv", type=Path, default=FOLDER / "results.csv")
    parser.add_argument("--text", type=Path, default=TEXT)
    parser.add_argument("--plots", type=Path, default=FOLDER)
    options = parser.parse_args()
    from plots import plot

    results = read(options.csv)
    options.text.write_text(rendered(TEMPLATE.read_text(), results))
    options.plots.mkdir(parents=True, exist_ok=True)
    draw_all(results, options.plots, plot)
    print(options.text)


if __name__ == "__main__":
    main()
