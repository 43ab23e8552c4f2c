#!/usr/bin/env python3
"""What `every` costs in fidelity and saves in UNet calls, on the demo's model: the figures of the advanced node's help.

    COMFYUI_PATH=/path/to/ComfyUI python -m lab.demo.every_fidelity

For each window and each `every`: the extra UNet calls of a run, and how far the final latents lie from those of
`every` 1, as a share of the distance that guidance itself makes: 0 % is the same picture, 100 % as far as leaving
guidance away. Shorter windows with as few calls are held against the one of all steps. Means over ten garments and
SEEDS, with their standard errors.
"""

from __future__ import annotations

import pandas as pd
import torch
from tqdm import tqdm

from lab.demo.garments import ADVANCED, STEPS, Garments

SEEDS, SCALES = range(4), (0.5, 1.5)
WINDOWS = {  # sigma_start, and the values of `every`
    "all 20 steps": (1000.0, (1, 2, 3, 4, 8)), "the last 10": (1.6, (1,)), "the last 5": (0.65, (1,)),
    "the last 11": (2.0, (1, 2, 3, 4, 8)),
}  # fmt: skip


def latents(garments: Garments, **settings: float) -> tuple[torch.Tensor, float]:
    """The final latents [seeds * 10, 1, 32, 32], and the extra UNet calls of one run."""
    model, before = garments.guide(ADVANCED, **settings), garments.calls
    made = torch.cat([garments.sample(model, seed) for seed in SEEDS])
    return made, (garments.calls - before) / len(SEEDS) - STEPS


def share(made: torch.Tensor, exact: torch.Tensor, plain: torch.Tensor) -> str:
    """|made - exact| / |exact - plain| of each garment: mean and standard error."""
    distances = (made - exact).flatten(1).norm(dim=1) / (exact - plain).flatten(1).norm(dim=1)
    return f"{distances.mean():.0%} ± {distances.std() / len(distances) ** 0.5:.0%}"


def main() -> None:
    garments, rows = Garments(), []
    plain, _ = latents(garments, scale=0.0)
    exact = {}
    for window, (start, values) in tqdm(WINDOWS.items()):
        for every in values:
            row = {"window": window, "every": every}
            for scale in SCALES:
                made, row["calls"] = latents(garments, scale=scale, sigma_start=start, every=every)
                if every == 1 and len(values) > 1:
                    exact[scale] = made
                row[f"scale {scale:g}"] = share(made, exact[scale], plain)
            rows.append(row)
    print(pd.DataFrame(rows).to_markdown(index=False))


if __name__ == "__main__":
    main()
