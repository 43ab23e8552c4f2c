#!/usr/bin/env python3
"""Draws docs/study/pictures.png: the same noise without guidance, with it, and with a negative scale. Runs on the CPU.

    COMFYUI_PATH=/path/to/ComfyUI python -m lab.study.pictures --emoji emoji.npz --weights WORK/emoji_unet.safetensors

The pictures are the first of the study's own, nothing is selected.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import matplotlib
import numpy as np
import torch

from lab.loading import ROOT, load_host
from lab.study.questions import EARLY, LATE, MANY, Setting
from lab.study.sample_settings import DEMO
from lab.study.sampling import Sampler

matplotlib.use("Agg")
from matplotlib import pyplot as plt  # noqa: E402 - after the choice of the backend

OUT = ROOT / "docs/study/pictures.png"
SHOWN = 14  # pictures a row
ROWS = {
    "no guidance": {}, "scale 1": {"scale": 1.0}, "scale 1, first 7 steps": {"scale": 1.0, "active": EARLY},
    "scale 1, last 7 steps": {"scale": 1.0, "active": LATE}, "scale -0.5": {"scale": -0.5},
}  # fmt: skip


def strips(weights: Path, labels: torch.Tensor, plain: Setting) -> list[np.ndarray]:
    """One strip [32, SHOWN * 32, C] for each of ROWS, from 0 to 1."""
    sampler = Sampler(weights, labels, MANY, "float32", SHOWN)
    sampled = [sampler.sample(replace(plain, **row), plain.cfg).pictures for row in ROWS.values()]
    return [torch.cat(list(p.clamp(-1, 1)), dim=-1).permute(1, 2, 0).numpy() / 2 + 0.5 for p in sampled]


def draw(rows: list[np.ndarray]) -> None:
    figure, panels = plt.subplots(len(rows), 1, figsize=(11, 7.6), layout="constrained")
    for panel, strip, title in zip(panels, rows, [*ROWS] * 2, strict=True):
        panel.imshow(strip, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        panel.set(xticks=[], yticks=[])
        panel.set_ylabel(title, rotation=0, ha="right", va="center", fontsize=10)
    figure.get_layout_engine().set(h_pad=0.01, hspace=0.0)
    figure.savefig(OUT, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--emoji", type=Path, required=True, help="emoji_data.py's .npz")
    parser.add_argument("--weights", type=Path, required=True, help="the emoji model")
    options = parser.parse_args()
    load_host()
    labels = torch.from_numpy(np.load(options.emoji)["train_labels"]).long()
    garments = torch.arange(10).repeat(6000)  # as many of each as in the data
    emoji = strips(options.weights, labels, Setting("emoji", cfg=3.0, count=SHOWN))
    draw([*strips(DEMO, garments, Setting("fashion", count=SHOWN)), *emoji])


if __name__ == "__main__":
    main()
