#!/usr/bin/env python3
"""The demo: ComfyUI samples the same seed without guidance, with SAG always on, and with SAG delayed.

Writes lab/demo/out/comparison.png and lab/demo/out/table.md. Run it as `python dev.py demo`.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw, ImageFont
from tqdm import tqdm

from lab.demo.garments import SEED, Garments

OUT = Path(__file__).resolve().parent / "out"
SETTINGS = {"no guidance": None, "SAG always on": 1000.0, "SAG delayed": 2.0}  # sigma_start; None: no node at all
TILE, GAP, MARGIN, GAIN = 140, 4, 210, 2


def sample(garments: Garments, sigma_start: float | None, seed: int = SEED) -> tuple[np.ndarray, int, float]:
    """Ten gray pictures [10, 28, 28] from 0 to 255, the number of UNet calls, and seconds."""
    model = garments.model if sigma_start is None else garments.guide(sigma_start=sigma_start)
    started, calls = time.perf_counter(), garments.calls
    pictures = garments.pictures(garments.sample(model, seed))
    seconds = time.perf_counter() - started
    return (255 * pictures[..., 0].numpy()).astype(np.uint8), garments.calls - calls, seconds


def grid(rows: dict[str, np.ndarray], columns: tuple[str, ...]) -> Image.Image:
    """A labelled picture: one row for each name, one column for each class."""
    font, small = ImageFont.load_default(22), ImageFont.load_default(17)
    step = TILE + GAP
    sheet = Image.new("L", (MARGIN + step * len(columns), 34 + step * len(rows)), 255)
    draw = ImageDraw.Draw(sheet)
    for column, name in enumerate(columns):
        draw.text((MARGIN + column * step + TILE // 2, 17), name, 0, font=small, anchor="mm")
    for row, (name, pictures) in enumerate(rows.items()):
        top = 34 + row * step
        draw.multiline_text((10, top + TILE // 2), name, 0, font=font, anchor="lm", spacing=6)
        for column, picture in enumerate(pictures):
            tile = Image.fromarray(picture).resize((TILE, TILE), Image.Resampling.BICUBIC)
            sheet.paste(tile, (MARGIN + column * step, top))
    return sheet


def difference(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """|a - b| times GAIN, dark where they are equal."""
    return np.clip(np.abs(a.astype(int) - b) * GAIN, 0, 255).astype(np.uint8)


def main() -> None:
    garments = Garments()
    from lab.demo.sag_demo.architecture import CLASSES

    OUT.mkdir(exist_ok=True)
    sample(garments, None, SEED + 1)  # loads the model, so that the first timed run is like the others
    results = {name: sample(garments, start) for name, start in tqdm(SETTINGS.items(), "sampling")}
    plain, always, delayed = (pictures for pictures, _, _ in results.values())
    rows = {
        "no guidance": plain, "SAG always on": always, "SAG delayed,\nsigma up to 2": delayed,
        f"always on, its\ndifference x {GAIN}": difference(always, plain),
        f"delayed, its\ndifference x {GAIN}": difference(delayed, plain),
    }  # fmt: skip
    grid(rows, CLASSES).save(OUT / "comparison.png", optimize=True)
    costs = {name: {"UNet calls": calls, "seconds": seconds} for name, (_, calls, seconds) in results.items()}
    table = pd.DataFrame(costs).T.to_markdown(floatfmt=("", ".0f", ".1f"))
    (OUT / "table.md").write_text(table + "\n")
    print(table, OUT / "comparison.png", sep="\n\n")


if __name__ == "__main__":
    main()
