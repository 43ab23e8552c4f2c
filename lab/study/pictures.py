#!/usr/bin/env python3
"""Draws docs/study/WORLD.png: the first 16 pictures of no guidance, the paper's SAG and the dose, from the same noise.

    python -m lab.study.pictures WORK

WORK is the folder of lab.study.sample_settings, which keeps the first pictures of each setting. Nothing is selected.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from lab.loading import ROOT
from lab.study.questions import PLANNED_CFG, deciding

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


def draw(world: str, kept: dict[str, np.ndarray], file: Path) -> None:
    """The sheets of SHOWN beside one another."""
    side = LARGER.get(world, SIDE)
    step, font = ACROSS * side + GAP, ImageFont.load_default(20)
    page = Image.new("RGB", (step * len(SHOWN) - GAP, TITLE + ACROSS * side), "white")
    for place, name in enumerate(SHOWN):
        ImageDraw.Draw(page).text((place * step + 4, 2), name, "black", font=font)
        page.paste(sheet(kept[deciding(world)[name].name], side), (place * step, TITLE))
    page.quantize(COLOURS).save(file, optimize=True)


def main() -> None:
    for world in PLANNED_CFG:
        files = sorted(Path(sys.argv[1]).glob(f"{world}.*.npz"))
        kept = dict(item for file in files for item in np.load(file).items())
        draw(world, kept, ROOT / f"docs/study/{world}.png")


if __name__ == "__main__":
    main()
