#!/usr/bin/env python3
"""What `every` costs in fidelity and saves in UNet calls, on the demo's model.

    COMFYUI_PATH=/path/to/ComfyUI python -m lab.demo.every_fidelity 

For each window and each `every`: the extra UNet calls of a run, and how far the final latents lie from those of
`every` 1, as a share of the distance that guidance itself makes: 0 % is the same picture, 100 % as far as leaving
guidance away. For comparison, shorter windows with as few calls. Means over ten garments and SEEDS, with their standard
errors.
"""

from __future__ import annotations

import argparse
from typing import Any

import torch

from lab.demo.in_process import Garments

NODE = "SAG delayed activation (advanced)"
BLUR, STEPS, CFG = 2.0, 20, 2.0
SEEDS = range(4)
EVERY = (2, 3, 4, 8)
Window = tuple[float, float]
WINDOWS: dict[str, Window] = {"all 20 steps": (1000.0, 0.0), "the last 11 (sigma up to 2)": (2.0, 0.0)}
SHORTER: dict[str, Window] = {"the last 10 (sigma up to 1.6)": (1.6, 0.0), "the last 5 (sigma up to 0.65)": (0.65, 0.0)}


def latents(garments: Garments, window: Window, scale: float, every: int = 1) -> tuple[torch.Tensor, int]:
    """The final latents [seeds * 10, 1, 32, 32], and the extra UNet calls of one run."""
    settings = {"scale": scale, "blur_sigma": BLUR, "sigma_start": window[0], "sigma_end": window[1], "every": every}
    (model,) = garments.node(NODE).patch(garments.model, **settings)
    made = torch.cat([garments.sample(model, seed, STEPS, CFG) for seed in SEEDS])
    return made, extra_calls(model)


def extra_calls(model: Any) -> int:
    """Of the last run, as the node counted them."""
    from sag_delayed_activation.sampling.masks import MASK_STORE

    store = model.model_options.get(MASK_STORE)
    return list(store.runs.values())[-1].logs[0].extra_calls if store else 0


def share(made: torch.Tensor, exact: torch.Tensor, plain: torch.Tensor) -> str:
    """|made - exact| / |exact - plain| of each garment: mean and standard error."""
    distances = (made - exact).flatten(1).norm(dim=1) / (exact - plain).flatten(1).norm(dim=1)
    return f"{distances.mean():.0%} ± {distances.std() / len(distances) ** 0.5:.0%}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=1.5)
    arguments = parser.parse_args()
    garments, scale = Garments(), arguments.scale
    plain, _ = latents(garments, WINDOWS["all 20 steps"], scale=0.0)
    print("| window | every | extra UNet calls | distance |", "|---|---|---|---|", sep="\n")
    for name, window in WINDOWS.items():
        exact, calls = latents(garments, window, scale)
        print(f"| {name} | 1 | {calls} | 0% |", flush=True)
        rows = [(name, window, every) for every in EVERY]
        if name == "all 20 steps":
            rows += [(shorter, bounds, 1) for shorter, bounds in SHORTER.items()]
        for label, bounds, every in rows:
            made, calls = latents(garments, bounds, scale, every)
            print(f"| {label} | {every} | {calls} | {share(made, exact, plain)} |", flush=True)
        own = (exact - plain).flatten(1).norm(dim=1) / plain.flatten(1).norm(dim=1)
        print(f"| {name}: guidance itself moves the latents by {own.mean():.1%} | | | 100% |", flush=True)


if __name__ == "__main__":
    main()
