#!/usr/bin/env python3
"""Writes docs/study.md and its plot from docs/study/results.csv. Needs no GPU and no ComfyUI.

    python -m lab.study.report [WORK/wesnoth.0.jsonl WORK/fashion.0.jsonl ...]

Lines of lab.study.sample_settings, where they are given, make the CSV anew. The text is study.template.md. In it
`{{table fashion decide}}` stands for a question's table, `{{rule}}` for the rule's, `{{NAME: METRIC}}` for a figure
with its interval, and `{{dit NAME: METRIC}}` for one of the DiTs, so that no figure is typed by hand.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from lab.loading import ROOT
from lab.records import read as read_lines
from lab.study.charts import draw
from lab.study.dit.found import Found
from lab.study.tables import collect, figure, read, rule, table

TEMPLATE, TEXT, FOLDER = ROOT / "lab/study/study.template.md", ROOT / "docs/study.md", ROOT / "docs/study"
CSV, DIT_CSV = FOLDER / "results.csv", FOLDER / "dit.csv"
NOTE = "<!-- Made by {} of {} and docs/study/{}. Edit those. -->\n\n"


def fill_marks(template: str, fill: Callable[[str], str]) -> str:
    """The template with what `fill` makes of each mark, which is `{{so}}`."""
    return re.sub(r"\{\{(.+?)\}\}", lambda found: fill(found[1]), template)


def render(template: str, results: pd.DataFrame) -> str:
    """The template with its tables and figures filled in; KeyError where the CSV lacks one."""
    dit = Found(read(DIT_CSV))

    def fill(mark: str) -> str:
        kind, *which = mark.split()
        if kind == "table":
            return table(results, *which)
        if kind == "dit":
            return dit.figure(mark.removeprefix("dit "))
        return rule(results) if kind == "rule" else figure(results, mark)

    return NOTE.format("lab.study.report", "lab/study/study.template.md", CSV.name) + fill_marks(template, fill)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lines", nargs="*", type=Path)
    options = parser.parse_args()
    if options.lines:
        lines = read_lines(*options.lines)
        collect(lines).to_csv(CSV, index=False, float_format="%.6g", lineterminator="\n")
    results = read(CSV)
    TEXT.write_text(render(TEMPLATE.read_text(), results))
    draw(results, FOLDER / "decide.png")
    print(TEXT)


if __name__ == "__main__":
    main()
