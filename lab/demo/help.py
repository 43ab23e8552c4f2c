#!/usr/bin/env python3
"""The pictures of the in-app help, in web/docs, made with the pack's own nodes on the demo's model.

    COMFYUI_PATH=/path/to/ComfyUI python -m lab.demo.help

What `every` costs and saves was measured once, by what stood here at 21df797.
"""

from __future__ import annotations

import tempfile
from typing import Any

import numpy as np
import torch.nn.functional as F
from PIL import Image

from lab.demo.garments import ADVANCED, BASIC, STEPS, Garments
from lab.loading import ROOT

OUT = ROOT / "web" / "docs"
SHOWN = [2, 7]  # of the ten garments: a pullover and a sneaker
# The page's help panel is 210 pixels wide at first, half of a sheet.
LABELS, SIDE, GAP, TEXT = 190, 112, 4, 28  # pixels for the names on the left, of a garment, between; font size
TILES = [0, 12]  # steps of the mask preview
GARMENT = 8  # the mask preview's: a bag
COLOURS, QUALITY = 64, 85  # of a saved PNG, of a saved JPEG
DELAYED: dict[str, dict[str, Any] | None] = {  # what is changed; None: without the node
    "no guidance": None, "every step": {}, "sigma up to 2": {"sigma_start": 2.0}, "scale -1.5": {"scale": -1.5},
}  # fmt: skip
OF_THE_ADVANCED: dict[str, dict[str, Any] | None] = {
    "no guidance": None, "as it is": {}, "threshold 0": {"threshold": 0.0}, "fade in": {"fade": "in"},
    "rescale 1": {"rescale": 1.0}, "every 2": {"every": 2}, "every 4": {"every": 4},
}  # fmt: skip


def save(pixels: np.ndarray, name: str) -> None:
    """Pixels [H, W, 3], 0 to 1, as a JPEG or as a PNG of few colours."""
    picture = Image.fromarray((pixels.clip(0, 1) * 255).round().astype(np.uint8))
    if name.endswith(".png"):
        picture = picture.quantize(COLOURS)
    picture.save(OUT / name, optimize=True, quality=QUALITY)
    print(f"{(OUT / name).stat().st_size / 1024:5.0f} KiB  {OUT / name}")


def sheet(garments: Garments, kind: str, rows: dict[str, dict[str, Any] | None]) -> np.ndarray:
    """One row of garments for each name, in the pack's own colours."""
    from sag_delayed_activation.pictures.canvas import INK, Canvas

    canvas = Canvas(LABELS + len(SHOWN) * (SIDE + GAP), len(rows) * (SIDE + GAP) - GAP)
    for row, (name, changed) in enumerate(rows.items()):
        top = row * (SIDE + GAP)
        canvas.text(8, top + SIDE / 2, name, TEXT, INK, "lm", widest=LABELS - 16)
        model = garments.model if changed is None else garments.guide(kind, **changed)
        for column, picture in enumerate(garments.pictures(garments.sample(model))[SHOWN].numpy()):
            small = Image.fromarray((picture * 255).round().astype(np.uint8))
            canvas.paste(small.resize((SIDE, SIDE), Image.Resampling.BICUBIC), LABELS + column * (SIDE + GAP), top)
    return canvas.to_image()[0].numpy()


def mask_preview(garments: Garments) -> np.ndarray:
    """Two of the mask preview's tiles, one above the other."""
    model = garments.guide()
    latents = garments.sample(model, which=[GARMENT])
    framed = (latents[:, 0, :, :, None].clamp(-1, 1) / 2 + 0.5).expand(-1, -1, -1, 3)  # the masks have the border, too
    (tiles, _) = garments.node("SAG mask preview").show(model, {"samples": latents}, framed)["result"]
    whole = F.pad(tiles, (0, 0, 0, 0, GAP, GAP))[TILES].flatten(0, 1)  # black between them
    return whole.unflatten(1, (-1, 2)).unflatten(0, (-1, 2)).mean(dim=(1, 3)).numpy()  # at half its size


def sigma_window(garments: Garments) -> np.ndarray:
    find = garments.node("SAG sigma window").find
    return find("custom", "step", 8, 17, garments.model, "normal", STEPS, 1.0)["result"][3][0].numpy()


def main() -> None:
    garments = Garments()
    import folder_paths  # the host's

    save(sheet(garments, BASIC, DELAYED), "delayed.jpg")
    save(sheet(garments, ADVANCED, OF_THE_ADVANCED), "advanced.jpg")
    save(sigma_window(garments), "sigma-window.png")
    with tempfile.TemporaryDirectory() as scratch:
        folder_paths.set_temp_directory(scratch)  # where the preview puts its files
        save(mask_preview(garments), "mask-preview.png")


if __name__ == "__main__":
    main()
