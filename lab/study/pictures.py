#!/usr/bin/env python3
"""Draws docs/study/WORLD.png: the first 16 pictures of no guidance, the paper's SAG and the dose, from the same noise.

    python -m lab.study.pictures WORK

WORK is the folder of lab.study.sample_settings, which keeps the first pictures of each setting, and of
lab.study.dit.sample, whose sheets are docs/study/dit_WORLD.png. Nothing is selected.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from lab.study.dit.found import Found
from lab.study.questions import PLANNED_CFG, Setting, deciding
from lab.study.report import DIT_CSV, FOLDER
from lab.study.tables import read

SHOWN = ("no guidance", "the paper's SAG", "the dose")  # from left to right
ACROSS, SIDE, GAP, TITLE = 4, 96, 16, 28  # pictures, and pixels of a picture, between sheets, of a title
LARGER = {"wesnoth": 128}  # a multiple of its 64 pixels
COLOURS = 192  # of the file


def sheet(pictures: np.ndarray, side: int) -> Image.Image:
    """uint8 [16, C, h, w] in rows of four."""
    rows = pictures.reshape(-1, ACROSS, *pictures.shape[1:]).transpose(0, 3, 1, 4, 2)  # [4, h, 4, w, C]
    height, width = rows.shape[1], rows.shape[3]
    pixels = rows.reshape(len(rows) * height, ACROSS * width, -1)
    whole = Image.fromarray(pixels.repeat(3, axis=-1) if pixels.shape[-1] == 1 else pixels)
    return whole.resize((ACROSS * side, len(rows) * side), Image.Resampling.NEAREST)


def draw(side: int, shown: dict[str, np.ndarray], file: Path) -> None:
    """Sheets beside one another, by what stands above them."""
    step, font = ACROSS * side + GAP, ImageFont.load_default(20)
    page = Image.new("RGB", (step * len(shown) - GAP, TITLE + ACROSS * side), "white")
    for place, (name, pictures) in enumerate(shown.items()):
        ImageDraw.Draw(page).text((place * step + 4, 2), name, "black", font=font)
        page.paste(sheet(pictures, side), (place * step, TITLE))
    page.quantize(COLOURS).save(file, optimize=True)


def draw_all(work: Path, prefix: str, rows: dict[str, dict[str, Setting]]) -> None:
    """Of each world that was sampled into files of that prefix."""
    for world, named in rows.items():
        kept = dict(item for file in sorted(work.glob(f"{prefix}{world}.*.npz")) for item in np.load(file).items())
        if kept:
            shown = {name: kept[named[name].name] for name in SHOWN}
            draw(LARGER.get(world, SIDE), shown, FOLDER / f"{prefix.replace('.', '_')}{world}.png")


def main() -> None:
    work = Path(sys.argv[1])
    draw_all(work, "", {world: deciding(world) for world in PLANNED_CFG})
    draw_all(work, "dit.", Found(read(DIT_CSV)).deciding)


if __name__ == "__main__":
    main()
