"""The study's text and plots, of its template and its CSV.

In the template `{{table fashion a}}` stands for a question's table and plot, and `{{NAME: METRIC}}` for a figure with
its interval, so that no figure is typed by hand.
"""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from lab.study.charts import plot
from lab.study.questions import questions
from lab.study.tables import figure, rows_of, table, with_costs

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE, TEXT, FOLDER = ROOT / "lab/study/study.template.md", ROOT / "docs/study.md", ROOT / "docs/study"
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


def draw_all(results: pd.DataFrame, folder: Path) -> None:
    """One plot for each question that has rows."""
    for world in ("fashion", "emoji"):
        for letter in questions(world):
            rows = rows_of(results, world, letter)
            if len(rows):
                plot(rows, letter, folder / f"{world}_{letter}.png")
