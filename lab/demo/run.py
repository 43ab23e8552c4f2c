#!/usr/bin/env python3
"""The demo: ComfyUI samples the same seed without guidance, with the paper's SAG, and with the dose of the study.

Writes lab/demo/out/comparison.png and lab/demo/out/table.md. Run it as `python dev.py demo`.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw, ImageFont
from tqdm import tqdm

from lab.demo.garments import ADVANCED, BASIC, SEED, Garments

OUT = Path(__file__).resolve().parent / "out"
SCALE, DETAIL, LAST_THIRD = 0.5, 0.5, 0.92  # of lab/study/plan.md; sigma_start of steps 13 to 20 of 20
SETTINGS: dict[str, tuple[str, dict[str, float]] | None] = {  # a node and what is set on it; None: no node at all
    "no guidance": None,
    "the paper's SAG": (BASIC, {"scale": SCALE}),
    "with detail,\nlast third": (ADVANCED, {"scale": SCALE, "detail": DETAIL, "sigma_start": LAST_THIRD}),
}
TILE, GAP, MARGIN, GAIN = 140, 4, 210, 4


def sample(
    garments: Garments, node: tuple[str, dict[str, float]] | None, seed: int = SEED
) -> tuple[np.ndarray, int, float]:
    """Ten gray pictures [10, 28, 28] from 0 to 255, the number of UNet calls, and seconds."""
    model = garments.guide(node[0], **node[1]) if node else garments.model
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
    results = {name: sample(garments, node) for name, node in tqdm(SETTINGS.items(), "sampling")}
    plain, paper, detailed = (pictures for pictures, _, _ in results.values())
    rows = {f"{name},\n{calls} UNet calls": pictures for name, (pictures, calls, _) in results.items()}
    rows |= {
        f"the paper's SAG,\ndifference x {GAIN}": difference(paper, plain),
        f"with detail,\ndifference x {GAIN}": difference(detailed, plain),
    }
    grid(rows, CLASSES).save(OUT / "comparison.png", optimize=True)
    costs = {name: {"UNet calls": calls, "seconds": spent} for name, (_, calls, spent) in results.items()}
    names = [name.replace("\n", " ") for name in costs]
    table = pd.DataFrame(costs).T.set_axis(names).to_markdown(floatfmt=("", ".0f", ".1f"))
    (OUT / "table.md").write_text(table + "\n")
    print(table, OUT / "comparison.png", sep="\n\n")


if __name__ == "__main__":
    main()
