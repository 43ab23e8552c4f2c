#!/usr/bin/env python3
"""Writes docs/study/dit.md from docs/study/dit.csv. Needs no GPU and no ComfyUI.

    python -m lab.study.dit.report [WORK/dit.fashion.0.jsonl WORK/dit.wesnoth.0.jsonl ...]

Lines of lab.study.dit.sample, where they are given, make the CSV anew. The text is dit.template.md, with the marks of
lab.study.report.
"""

from __future__ import annotations

import sys
from pathlib import Path

from lab.records import read as read_lines
from lab.study.dit.found import WORLDS, Found
from lab.study.dit.questions import deciding
from lab.study.report import DIT_CSV, FOLDER, NOTE, ROOT, fill_marks
from lab.study.tables import EYES, collect, read

TEMPLATE, TEXT = ROOT / "lab/study/dit/dit.template.md", FOLDER / "dit.md"


def render(template: str, found: Found) -> str:
    """The template with its tables and figures filled in; KeyError where the CSV lacks one."""

    def fill(mark: str) -> str:
        kind, *which = mark.split()
        if kind == "table":
            return found.table(*which)
        alone = {"rule": found.rule, "blocks": found.blocks, "block": found.block}
        return alone[kind]() if kind in alone else found.figure(mark)

    return NOTE.format("lab.study.dit.report", "lab/study/dit/dit.template.md", "dit.csv") + fill_marks(template, fill)


def main() -> None:
    if files := [Path(word) for word in sys.argv[1:]]:
        lines = read_lines(*files)
        known = {line["name"]: tuple(line["figures"][eye][0] for eye in EYES) for line in lines}
        doses = {world: deciding(world, lambda setting: known[setting.name])["the dose"] for world in WORLDS}
        table = collect(lines, {(dose.world, dose.cfg, dose.count): dose.name for dose in doses.values()})
        table.to_csv(DIT_CSV, index=False, float_format="%.6g", lineterminator="\n")
    TEXT.write_text(render(TEMPLATE.read_text(), Found(read(DIT_CSV))))
    print(TEXT)


if __name__ == "__main__":
    main()
