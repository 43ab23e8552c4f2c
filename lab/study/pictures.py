#!/usr/bin/env python3
"""Draws sheets beside one another: of each setting the first 16 pictures, from the same noise. Nothing is selected.

    python -m lab.study.pictures docs/study/NAME.png 96 WORK/photographs.0.npz "no guidance=photographs, cfg 1.25, ..."

96 is a picture's side in pixels. The .npz is what lab.study.sample_settings keeps; a title stands before each name.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

ACROSS, GAP, TITLE = 4, 16, 28  # pictures, and pixels between sheets, of a title
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


def main() -> None:
    out, side, file, *wanted = sys.argv[1:]
    kept, titles = np.load(file), dict(word.split("=", 1) for word in wanted)
    draw(int(side), {title: kept[name] for title, name in titles.items()}, Path(out))


if __name__ == "__main__":
    main()
