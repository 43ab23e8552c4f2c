#!/usr/bin/env python3
"""Writes docs/study.md and its plots from docs/study/results.csv. Needs no GPU and no ComfyUI.

    python -m lab.study.report

The text is study/study.template.md.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from lab.study.writing import FOLDER, TEMPLATE, TEXT, draw_all, read, rendered


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--csv", type=Path, default=FOLDER / "results.csv")
    parser.add_argument("--text", type=Path, default=TEXT)
    parser.add_argument("--plots", type=Path, default=FOLDER)
    options = parser.parse_args()
    results = read(options.csv)
    options.text.write_text(rendered(TEMPLATE.read_text(), results))
    options.plots.mkdir(parents=True, exist_ok=True)
    draw_all(results, options.plots)
    print(options.text)


if __name__ == "__main__":
    main()
