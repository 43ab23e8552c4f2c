#!/usr/bin/env python3
"""Writes docs/study.md and its plot from docs/study/results.csv. Needs no GPU and no ComfyUI.

    python -m lab.study.report [WORK/wesnoth.0.jsonl WORK/fashion.0.jsonl ...]

Lines of lab.study.sample_settings, where they are given, make the CSV anew. The text is study.template.md. In it
`{{table fashion decide}}` stands for a question's table, `{{rule}}` for the rule's, and `{{NAME: METRIC}}` for a figure
with its interval, so that no figure is typed by hand.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import pandas as pd

from lab.loading import ROOT
from lab.records import read as read_lines
from lab.study.charts import draw
from lab.study.tables import collect, figure, read, rule, table

TEMPLATE, TEXT, FOLDER = ROOT / "lab/study/study.template.md", ROOT / "docs/study.md", ROOT / "docs/study"
CSV = FOLDER / "results.csv"
NOTE = "<!-- Made by lab.study.report of lab/study/study.template.md and docs/study/results.csv. Edit those. -->\n\n"


def render(template: str, results: pd.DataFrame) -> str:
    """The template with its tables and figures filled in; KeyError where the CSV lacks one."""

    def fill(found: re.Match[str]) -> str:
        kind, *which = found[1].split()
        if kind == "table":
            return table(results, *which)
        return rule(results) if kind == "rule" else figure(results, found[1])

    return NOTE + re.sub(r"\{\{(.+?)\}\}", fill, template)


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
