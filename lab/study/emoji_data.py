#!/usr/bin/env python3
"""Cuts the study's second data set out of an emoji sheet: colour pictures of 32 x 32 on white, in nine classes.

    npm pack emoji-datasource-google && tar xzf emoji-datasource-google-*.tgz
    python -m lab.study.emoji_data package emoji.npz

The pictures are Google's Noto emoji, Apache 2.0. The classes are the categories of emoji.json.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

SIDE, BORDER = 32, 1  # of a picture in the sheet, and around it
CLASSES = ("Smileys & Emotion", "People & Body", "Animals & Nature", "Food & Drink", "Travel & Places", "Activities",
           "Objects", "Symbols", "Flags")  # fmt: skip
TEST_SHARE, SEED = 0.15, 2210


def cut(sheet: Image.Image, column: int, row: int) -> np.ndarray:
    """One picture [3, 32, 32], its transparent parts white."""
    cell = SIDE + 2 * BORDER
    left, top = column * cell + BORDER, row * cell + BORDER
    picture = sheet.crop((left, top, left + SIDE, top + SIDE))
    white = Image.new("RGBA", picture.size, "white")
    return np.asarray(Image.alpha_composite(white, picture).convert("RGB")).transpose(2, 0, 1)


def with_skin_tones(emoji: dict) -> Iterator[dict]:
    """The emoji and its variations, as far as this vendor drew them."""
    for variation in (emoji, *emoji.get("skin_variations", {}).values()):
        if variation["has_img_google"]:
            yield variation


def split(package: Path) -> dict[str, np.ndarray]:
    """Images and labels of `train` and `test`. Skin tones of one emoji are never on both sides."""
    sheet = Image.open(package / "img/google/sheets/32.png").convert("RGBA")
    known = [e for e in json.loads((package / "emoji.json").read_text()) if e["category"] in CLASSES]
    random.Random(SEED).shuffle(known)  # noqa: S311 - a split that anyone can repeat, no secret
    tests = round(TEST_SHARE * len(known))
    arrays = {}
    for name, part in {"test": known[:tests], "train": known[tests:]}.items():
        drawn = [(v, CLASSES.index(e["category"])) for e in part for v in with_skin_tones(e)]
        arrays[f"{name}_images"] = np.stack([cut(sheet, v["sheet_x"], v["sheet_y"]) for v, _ in drawn])
        arrays[f"{name}_labels"] = np.array([label for _, label in drawn], np.uint8)
    return arrays


if __name__ == "__main__":
    np.savez_compressed(sys.argv[2], **split(Path(sys.argv[1])))
