#!/usr/bin/env python3
"""Packs the study's third data set: units of the game Battle for Wesnoth, 64 x 64, in colour on gray, by their people.

    apt-get download wesnoth-1.16-data && dpkg -x wesnoth-1.16-data_*.deb unpacked
    python -m lab.study.wesnoth_data unpacked wesnoth.npz

The pictures are GPL-2 and are not part of this repository. Each is 72 x 72 and is cut, not resized, since that would
change its high frequencies. The rest of an animation is much like its first picture, so all pictures of one unit are
on one side of the split.
"""

from __future__ import annotations

import random
import re
import sys
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image

UNITS = "usr/share/games/wesnoth/1.16/data/core/images/units"
FULL, SIDE = 72, 64
GRAY = 128  # the ground: neither black nor white, so that both can be outlines
COVERED = 0.15  # of the picture at least; below it are arrows, sparks and what is left of the dead
CUT_OFF = 0.05  # of the unit at most
FEWEST = 50  # pictures of a class
OPAQUE = 128
TEST_SHARE, SEED = 0.15, 2210


def unit_of(file: Path) -> tuple[str, str]:
    """Folder and first word of the name: `fighter` of fighter-attack-1.png and of fighter+female.png."""
    return str(file.parent), re.split(r"[-+_\d]", file.stem)[0]


def cut(picture: Image.Image) -> np.ndarray | None:
    """The picture's middle [64, 64, 3] on gray; None where there is little on it, or too much is cut off."""
    middle = slice((FULL - SIDE) // 2, (FULL + SIDE) // 2)
    opaque = np.asarray(picture)[..., 3] > OPAQUE
    kept = opaque[middle, middle]
    if kept.mean() < COVERED or kept.sum() < (1 - CUT_OFF) * opaque.sum():
        return None
    ground = Image.new("RGBA", picture.size, (GRAY, GRAY, GRAY, 255))
    return np.asarray(Image.alpha_composite(ground, picture).convert("RGB"))[middle, middle]


def drawn(folder: Path) -> dict[Path, np.ndarray]:
    """Every picture that serves, by its file."""
    found = {}
    for file in sorted(folder.glob("*/**/*.png")):
        with Image.open(file) as picture:
            if picture.size == (FULL, FULL) and (pixels := cut(picture.convert("RGBA"))) is not None:
                found[file.relative_to(folder)] = pixels
    peoples = Counter(file.parts[0] for file in found)
    return {file: pixels for file, pixels in found.items() if peoples[file.parts[0]] >= FEWEST}


def units_for_testing(files: list[Path], chance: random.Random) -> set[tuple[str, str]]:
    """A share of each people's units; none of a people that has only one or two."""
    found: set[tuple[str, str]] = set()
    for people in sorted({file.parts[0] for file in files}):
        units = sorted({unit_of(file) for file in files if file.parts[0] == people})
        chance.shuffle(units)
        found.update(units[: max(round(TEST_SHARE * len(units)), int(len(units) > 2))])
    return found


def split(folder: Path) -> dict[str, np.ndarray]:
    """Images and labels of `train` and `test`, mixed; half of the pictures are mirrored, as the game does."""
    pictures, chance = drawn(folder), random.Random(SEED)  # noqa: S311 - a split that anyone can repeat, no secret
    classes, tests = sorted({file.parts[0] for file in pictures}), units_for_testing(list(pictures), chance)
    arrays = {"classes": np.array(classes)}
    for name in ("test", "train"):
        own = [file for file in pictures if (unit_of(file) in tests) == (name == "test")]
        chance.shuffle(own)
        images = [pictures[file][:, :: chance.choice((1, -1))] for file in own]
        arrays[f"{name}_images"] = np.stack(images).transpose(0, 3, 1, 2)
        arrays[f"{name}_labels"] = np.array([classes.index(file.parts[0]) for file in own], np.uint8)
        print(f"{name}: {len(own)} pictures of {len({unit_of(file) for file in own})} units")
    return arrays


if __name__ == "__main__":
    np.savez_compressed(sys.argv[2], **split(Path(sys.argv[1]) / UNITS))
