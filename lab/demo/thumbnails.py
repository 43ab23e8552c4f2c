#!/usr/bin/env python3
"""The pictures that the template browser shows of the examples that compare: what the four settings make of one garment
with the demo's model, and below each what it changes.

    COMFYUI_PATH=/path/to/ComfyUI python -m lab.demo.thumbnails
"""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image, ImageColor

from lab.demo.garments import ADVANCED, BASIC, Garments
from lab.demo.run import DETAIL, GAIN, LAST_THIRD, SCALE, sample
from lab.loading import ROOT

OUT = ROOT / "example_workflows"
NAMES = ("SAG compare on your model", "SAG compare on your SDXL model")
SETTINGS: dict[str, tuple[str, dict[str, Any]] | None] = {  # of the examples' four columns
    "none": None,
    "SAG": (BASIC, {"scale": SCALE}),
    "detail": (ADVANCED, {"scale": SCALE, "detail": DETAIL}),
    "last third": (ADVANCED, {"scale": SCALE, "detail": DETAIL, "sigma_start": LAST_THIRD}),
}
GARMENT, LEFT, RIGHT = 1, 6, 21  # trousers, and the columns of pixels in which they stand
SIDE, TOP, WIDTH, HEIGHT, TEXT, SMALL, QUALITY = 512, 40, 122, 228, 26, 19, 90


def large(pixels: np.ndarray) -> Image.Image:
    return Image.fromarray(pixels[:, LEFT:RIGHT]).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)


def change(picture: np.ndarray, plain: np.ndarray) -> np.ndarray:
    """|picture - plain| times GAIN, [28, 28, 3], from the paper's colour to that of what acts."""
    from sag_delayed_activation.pictures.canvas import ACTIVE, PAPER

    share = np.clip(np.abs(picture.astype(float) - plain) * GAIN / 255, 0, 1)[..., None]
    dark, lit = (np.array(ImageColor.getrgb(colour)) for colour in (PAPER, ACTIVE))
    return (dark * (1 - share) + lit * share).astype(np.uint8)


def main() -> None:
    garments = Garments()
    made = {name: sample(garments, node)[0][GARMENT] for name, node in SETTINGS.items()}
    from sag_delayed_activation.pictures.canvas import DIM, INK, Canvas

    canvas, plain = Canvas(SIDE, SIDE), made["none"]
    for column, (name, picture) in enumerate(made.items()):
        left = column * SIDE // len(made) + (SIDE // len(made) - WIDTH) // 2
        canvas.text(left + WIDTH / 2, TOP / 2, name, TEXT, INK, "mm", widest=WIDTH)
        canvas.paste(large(picture), left, TOP)
        if name != "none":
            canvas.paste(large(change(picture, plain)), left, TOP + HEIGHT + 8)
    canvas.text(SIDE / 8, TOP + 1.5 * HEIGHT - 8, "what it", SMALL, DIM, "mm")
    canvas.text(SIDE / 8, TOP + 1.5 * HEIGHT + 18, f"changes, x {GAIN}", SMALL, DIM, "mm")
    thumbnail = Image.fromarray((canvas.to_image()[0].numpy() * 255).round().astype(np.uint8))
    for name in NAMES:
        thumbnail.save(OUT / f"{name}.jpg", quality=QUALITY)


if __name__ == "__main__":
    main()
