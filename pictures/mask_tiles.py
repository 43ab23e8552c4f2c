"""Pictures of masks: what guidance blurred, over the picture that it guided."""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image, ImageColor

from .canvas import ACTIVE, DIM, INK, Canvas

if TYPE_CHECKING:
    from comfy.latent_formats import LatentFormat

LONGEST = 512  # pixels of the longer side of a tile's pictures, without the label
LABEL_HEIGHT, LABEL_SIZE, CAPTION_SIZE = 144, 50, 22  # to read the label where twenty tiles are a node's width
NARROWEST = 360  # width of a tile: in less, the label would be too small to read
GAP = 4  # between the pictures of a batch
SHADE = 0.35  # brightness that is left outside the mask
TINT = 0.25  # share of ACTIVE inside the mask: it must show on black, too
LINE_WIDTH = 2
NOTICE_WIDTH, NOTICE_LINE, NOTICE_CHARACTERS = 768, 40, 52


def latent_picture(latent: torch.Tensor, latent_format: LatentFormat) -> torch.Tensor:
    """A rough picture [B, h, w, 3] of a latent [B, C, h, w]: by the host's own factors if it has some, else grey."""
    factors = getattr(latent_format, "latent_rgb_factors", None)
    if factors and len(factors) == latent.shape[1]:
        x0 = latent_format.process_in(latent.float().cpu())
        rgb = torch.einsum("bchw,cr->bhwr", x0, torch.tensor(factors))
        bias = getattr(latent_format, "latent_rgb_factors_bias", None)
        return ((rgb + (torch.tensor(bias) if bias else 0.0) + 1) / 2).clamp(0, 1)
    grey = latent.float().cpu().mean(dim=1)
    low, high = grey.amin(dim=(1, 2), keepdim=True), grey.amax(dim=(1, 2), keepdim=True)
    return ((grey - low) / (high - low).clamp(min=1e-6)).unsqueeze(-1).expand(-1, -1, -1, 3)


def tile_grid(count: int) -> tuple[int, int]:
    """Rows and columns for `count` pictures of a batch, as square as can be."""
    columns = math.ceil(math.sqrt(count))
    return math.ceil(count / columns), columns


def resize_masks(masks: np.ndarray, height: int, width: int) -> np.ndarray:
    """Masks [B, h, w] at another size, by the nearest pixel: some samplers evaluate a smaller latent in between."""
    rows, columns = (np.arange(new) * old // new for new, old in zip((height, width), masks.shape[1:], strict=True))
    return masks[:, rows][:, :, columns]


def draw_mask(picture: np.ndarray, mask: np.ndarray, width: int, height: int) -> Image.Image:
    """One picture [H, W, 3], 0 to 1, in the given size: tinted and outlined inside the mask [h, w], grey outside."""
    pixels = Image.fromarray((picture.clip(0, 1) * 255).round().astype(np.uint8))
    pixels = pixels.resize((width, height), Image.Resampling.BICUBIC)
    inside = np.asarray(Image.fromarray(mask).resize((width, height), Image.Resampling.NEAREST))
    colour = np.array(ImageColor.getrgb(ACTIVE))
    tinted = np.asarray(pixels) * (1 - TINT) + colour * TINT
    dark = np.asarray(pixels.convert("L"))[..., None] * SHADE
    shown = np.where(inside[..., None], tinted, dark).round().astype(np.uint8)
    shown[outline(inside)] = colour
    return Image.fromarray(shown)


def outline(inside: np.ndarray) -> np.ndarray:
    """The true pixels of [H, W] within LINE_WIDTH of a false one. The picture's own border is no such place."""
    padded = np.pad(inside, LINE_WIDTH, mode="edge")
    height, width = inside.shape
    shifts = range(2 * LINE_WIDTH + 1)
    core = np.logical_and.reduce([padded[y : y + height, x : x + width] for y in shifts for x in shifts])
    return inside & ~core


def tile(pictures: np.ndarray, masks: np.ndarray, label: str, caption: str) -> torch.Tensor:
    """IMAGE [1, H, W, 3]: masks [B, h, w] over pictures [n, H, W, 3], repeated if n < B; below, label and caption."""
    rows, columns = tile_grid(len(masks))
    high, wide = pictures.shape[1:3]
    shrink = LONGEST / max(high * rows, wide * columns)
    width, height = max(1, round(wide * shrink)), max(1, round(high * shrink))
    grid_width, bottom = columns * (width + GAP) - GAP, rows * (height + GAP) - GAP
    full_width = max(grid_width, NARROWEST)
    left = (full_width - grid_width) // 2
    canvas = Canvas(full_width, bottom + LABEL_HEIGHT)
    for number, mask in enumerate(masks):
        picture = draw_mask(pictures[number % len(pictures)], mask, width, height)
        row, column = divmod(number, columns)
        canvas.paste(picture, left + column * (width + GAP), row * (height + GAP))
    first, _, second = label.partition("\n")
    lines = (28, first, LABEL_SIZE, INK), (82, second, LABEL_SIZE, INK), (126, caption, CAPTION_SIZE, DIM)
    for y, text, size, colour in lines:
        canvas.text(full_width / 2, bottom + y, text, size, colour, "mm", widest=full_width - 16)
    return canvas.to_image()


def notice(title: str, text: str) -> torch.Tensor:
    """IMAGE [1, H, W, 3] that says something in words."""
    lines = textwrap.wrap(text, NOTICE_CHARACTERS)
    canvas = Canvas(NOTICE_WIDTH, NOTICE_LINE * (len(lines) + 4))
    canvas.text(36, NOTICE_LINE, title, 36, INK, widest=NOTICE_WIDTH - 72)
    for number, line in enumerate(lines):
        canvas.text(36, NOTICE_LINE * (number + 2.5), line, 28, DIM, widest=NOTICE_WIDTH - 72)
    return canvas.to_image()
