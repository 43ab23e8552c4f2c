"""The pack's colours, and text and lines in them, drawn with Pillow."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

FINER = 2  # everything is drawn this much larger and then reduced, for smooth edges

PAPER, INK, DIM, GRID = "#1f2126", "#f2f2f2", "#a3a8b3", "#363a43"
WINDOW, EDGE, ACTIVE, IDLE = "#4a3a1c", "#c98a1b", "#ffc04d", "#7f8797"


class Canvas:
    """Draws with Pillow. All lengths are pixels of the finished picture."""

    def __init__(self, width: int, height: int) -> None:
        self.image = Image.new("RGB", (width * FINER, height * FINER), PAPER)
        self.draw = ImageDraw.Draw(self.image)

    def text(self, x: float, y: float, text: str, size: int, color: str, anchor: str = "la", widest: int = 0) -> None:
        """Text at Pillow's two-letter `anchor`, made smaller if it would be wider than `widest`."""
        font = ImageFont.load_default(size * FINER)
        if widest and font.getlength(text) > widest * FINER:
            font = ImageFont.load_default(size * FINER * widest * FINER / font.getlength(text))
        self.draw.text((x * FINER, y * FINER), text, fill=color, font=font, anchor=anchor)

    def line(self, points: Iterable[tuple[float, float]], color: str, width: float = 2) -> None:
        scaled = [(x * FINER, y * FINER) for x, y in points]
        self.draw.line(scaled, fill=color, width=round(width * FINER), joint="curve")

    def box(self, left: float, top: float, right: float, bottom: float, color: str) -> None:
        self.draw.rectangle([left * FINER, top * FINER, right * FINER, bottom * FINER], fill=color)

    def dot(self, x: float, y: float, radius: float, color: str) -> None:
        corners = [x - radius, y - radius, x + radius, y + radius]
        self.draw.ellipse([c * FINER for c in corners], fill=color)

    def paste(self, picture: Image.Image, left: float, top: float) -> None:
        """Put a picture in, at its own size."""
        larger = picture.resize((picture.width * FINER, picture.height * FINER), Image.Resampling.NEAREST)
        self.image.paste(larger, (round(left * FINER), round(top * FINER)))

    def to_image(self) -> torch.Tensor:
        """An IMAGE of the host: float32 [1, height, width, 3] from 0 to 1."""
        pixels = np.asarray(self.image.reduce(FINER), dtype=np.float32) / 255.0
        return torch.from_numpy(pixels)[None]
