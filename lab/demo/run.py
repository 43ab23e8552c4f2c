#!/usr/bin/env python3
"""The demo: the real ComfyUI server samples the same seeds without guidance, with SAG always on, and with SAG delayed.

Writes demo/out/comparison.png and demo/out/table.md. Run it as `python dev.py demo`.
"""

from __future__ import annotations

import argparse
import io
import tempfile
import urllib.parse
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from tqdm import tqdm

from lab.demo.comfy_server import ComfyServer

HERE = Path(__file__).resolve().parent
OUT = HERE / "out"
CLASSES = ("t-shirt", "trousers", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
SCALE, BLUR, SEED, STEPS, CFG = 1.5, 2.0, 7, 20, 2.0
# name: sigma_start and sigma_end, or None for no node at all
SETTINGS: dict[str, tuple[float, float] | None] = {
    "no guidance": None, "SAG always on": (1000.0, 0.0), "SAG delayed": (2.0, 0.0)
}  # fmt: skip
TILE, GAP, MARGIN, GAIN = 140, 4, 210, 2


def workflow(window: tuple[float, float] | None, seed: int) -> dict[str, Any]:
    """The API workflow: model, (the node), counter, KSampler, picture."""
    graph: dict[str, Any] = {
        "model": {"class_type": "SAG demo: model", "inputs": {}},
        "latent": {"class_type": "SAG demo: latent", "inputs": {}},
        "count": {"class_type": "SAG demo: count", "inputs": {"model": ["sag" if window else "model", 0]}},
        "sampler": {"class_type": "KSampler", "inputs": {
            "model": ["count", 0], "positive": ["model", 1], "negative": ["model", 2], "latent_image": ["latent", 0],
            "seed": seed, "steps": STEPS, "cfg": CFG, "sampler_name": "euler", "scheduler": "normal", "denoise": 1.0}},
        "image": {"class_type": "SAG demo: image", "inputs": {"samples": ["sampler", 0]}},
        "save": {"class_type": "SaveImage", "inputs": {"images": ["image", 0], "filename_prefix": "demo"}},
        "calls": {"class_type": "SAG demo: calls", "inputs": {"calls": ["count", 1], "samples": ["sampler", 0]}},
    }  # fmt: skip
    if window:
        settings = {"scale": SCALE, "blur_sigma": BLUR, "sigma_start": window[0], "sigma_end": window[1]}
        graph["sag"] = {"class_type": "SAG delayed activation", "inputs": {"model": ["model", 0], **settings}}
    return graph


def sample(server: ComfyServer, window: tuple[float, float] | None, seed: int = SEED) -> tuple[np.ndarray, int, float]:
    """Ten gray pictures [10, 28, 28] from 0 to 255, the number of UNet calls, and seconds."""
    outputs = server.wait(server.queue(workflow(window, seed)))["outputs"]
    files = outputs["save"]["images"]
    pictures = [Image.open(io.BytesIO(server.get_bytes("/view?" + urllib.parse.urlencode(f)))) for f in files]
    calls = outputs["calls"]
    return np.stack([np.asarray(p.convert("L")) for p in pictures]), calls["calls"][0], calls["seconds"][0]


def tile(picture: np.ndarray) -> Image.Image:
    return Image.fromarray(picture).resize((TILE, TILE), Image.Resampling.BICUBIC)


def grid(rows: dict[str, np.ndarray]) -> Image.Image:
    """A labelled picture: one row for each name, one column for each class."""
    font, small = ImageFont.load_default(22), ImageFont.load_default(17)
    step = TILE + GAP
    sheet = Image.new("L", (MARGIN + step * len(CLASSES), 34 + step * len(rows)), 255)
    draw = ImageDraw.Draw(sheet)
    for column, name in enumerate(CLASSES):
        draw.text((MARGIN + column * step + TILE // 2, 17), name, 0, font=small, anchor="mm")
    for row, (name, pictures) in enumerate(rows.items()):
        top = 34 + row * step
        draw.multiline_text((10, top + TILE // 2), name, 0, font=font, anchor="lm", spacing=6)
        for column, picture in enumerate(pictures):
            sheet.paste(tile(picture), (MARGIN + column * step, top))
    return sheet


def difference(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """|a - b| times GAIN, dark where they are equal."""
    return np.clip(np.abs(a.astype(int) - b) * GAIN, 0, 255).astype(np.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--comfyui", required=True, type=Path)
    comfyui = parser.parse_args().comfyui
    OUT.mkdir(exist_ok=True)
    packs = {"sag-delayed-activation": HERE.parents[1], "sag-demo": HERE / "sag_demo"}
    with tempfile.TemporaryDirectory() as scratch, ComfyServer(comfyui, Path(scratch), packs) as server:
        sample(server, None, SEED + 1)  # loads the model, so that the first timed run is like the others
        results = {name: sample(server, window) for name, window in tqdm(SETTINGS.items(), "sampling")}
    plain, always, delayed = (results[name][0] for name in SETTINGS)
    rows = {"no guidance": plain, "SAG always on": always, "SAG delayed,\nsigma up to 2": delayed}
    rows[f"always on, its\ndifference x {GAIN}"] = difference(always, plain)
    rows[f"delayed, its\ndifference x {GAIN}"] = difference(delayed, plain)
    grid(rows).save(OUT / "comparison.png", optimize=True)
    table = ["| setting | UNet calls | seconds |", "|---|---|---|"]
    table += [f"| {name} | {calls} | {seconds:.1f} |" for name, (_, calls, seconds) in results.items()]
    (OUT / "table.md").write_text("\n".join(table) + "\n")
    print("\n".join(table), f"\n{OUT / 'comparison.png'}", sep="\n")


if __name__ == "__main__":
    main()
