#!/usr/bin/env python3
"""Writes docs/study.md and its plots from docs/study/results.csv. Needs no GPU and no ComfyUI.

    python -m lab.study.report [WORK/fashion.jsonl WORK/emoji.jsonl]

Lines of lab.study.sample_settings, where they are given, make the CSV anew. The text is study.template.md. In it
`{{table fashion a}}` stands for a question's table and plot, and `{{NAME: METRIC}}` for a figure with its interval,
so that no figure is typed by hand.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import pandas as pd

from lab.loading import ROOT
from lab.records import read as read_lines
from lab.study.charts import DRAWN
from lab.study.tables import collect, figure, read, rows_of, table

TEMPLATE, TEXT, FOLDER = ROOT / "lab/study/study.template.md", ROOT / "docs/study.md", ROOT / "docs/study"
CSV = FOLDER / "results.csv"
NOTE = "<!-- Made by lab.study.report of lab/study/study.template.md and docs/study/results.csv. Edit those. -->\n\n"


def render(template: str, results: pd.DataFrame) -> str:
    """The template with its tables and figures filled in; KeyError where the CSV lacks one."""

    def fill(found: re.Match[str]) -> str:
        words = found[1].split()
        if words[0] != "table":
            return figure(results, found[1])
        _, world, letter = words
        drawn = letter in DRAWN and len(rows_of(results, world, letter))
        return f"![{world}, question {letter}](study/{world}_{letter}.png)\n\n" * bool(drawn) + table(
            results, world, letter
        )

    return NOTE + re.sub(r"\{\{(.+?)\}\}", fill, template)


def draw_all(results: pd.DataFrame, folder: Path) -> None:
    """One plot for each drawn question that has rows."""
    for world in ("fashion", "emoji"):
        for letter, draw in DRAWN.items():
            rows = rows_of(results, world, letter)
            if len(rows):
                draw(rows, folder / f"{world}_{letter}.png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lines", nargs="*", type=Path)
    options = parser.parse_args()
    if options.lines:
        lines = read_lines(*options.lines)
        collect(lines).to_csv(CSV, index=False, float_format="%.6g", lineterminator="\n")
    results = read(CSV)
    TEXT.write_text(render(TEMPLATE.read_text(), results))
    draw_all(results, FOLDER)
    print(TEXT)


if __name__ == "__main__":
    main()
