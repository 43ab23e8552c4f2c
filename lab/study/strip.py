#!/usr/bin/env python3
"""Draws docs/strip.png: for one seed, what guidance does at the steps of one sampling run. Runs on the CPU.

    COMFYUI_PATH=/path/to/ComfyUI python -m lab.study.strip

Rows: the negative's prediction, the mask over it, the degraded prediction, the guidance that is added, the guided
prediction. The tensors are the pack's own, taken on the host's hooks while it samples.
"""

from __future__ import annotations

from typing import Any

import matplotlib
import numpy as np
import torch

from lab.demo.garments import Garments
from lab.loading import ROOT

matplotlib.use("Agg")
from matplotlib import pyplot as plt  # noqa: E402 - after the choice of the backend

OUT = ROOT / "docs/strip.png"
SEED, GARMENT, CFG, SCALE, BLUR, STEPS = 7, 5, 2.0, 1.5, 2.0, 20
SHOWN = (0, 4, 8, 11, 14, 17, 19)  # steps
STRONGEST = 0.35  # guidance that is shown in full colour; a picture goes from -1 to 1
GRAY = {"cmap": "gray", "vmin": -1, "vmax": 1}
COLOURS = {"cmap": "RdBu_r", "vmin": -STRONGEST, "vmax": STRONGEST}


def run() -> list[tuple[float, dict[str, torch.Tensor]]]:
    """Samples one picture with the node: sigma of each step, and by title what is drawn of it, [h, w]."""
    garments = Garments()
    import comfy.sample

    from sag_delayed_activation.sag_core import degrade
    from sag_delayed_activation.sampling.masks import MASK_STORE

    guided = garments.node("SAG delayed activation").patch(garments.model, SCALE, BLUR, 1000.0, 0.0)[0]
    store = guided.model_options[MASK_STORE]
    before: list[torch.Tensor] = []
    noted: list[dict[str, Any]] = []
    functions = guided.model_options["sampler_post_cfg_function"]
    functions.insert(0, lambda args: before.append(args["denoised"]) or args["denoised"])
    functions.append(lambda args: noted.append(args.copy()) or args["denoised"])
    noise = torch.randn(1, 1, 32, 32, generator=torch.Generator().manual_seed(SEED))
    prompt = garments.positive[0][0][GARMENT][None]
    latent = comfy.sample.sample(
        guided, noise, STEPS, CFG, "euler", "normal", [[prompt, {}]], garments.negative, torch.zeros_like(noise),
        disable_pbar=True, seed=SEED,
    )  # fmt: skip
    masks, _ = store.run_of(latent)
    steps = []
    for args, plain, kept in zip(noted, before, masks.steps, strict=True):
        mask, x0, result = torch.from_numpy(kept.mask.unpacked())[:, None], args["uncond_denoised"], args["denoised"]
        drawn = {
            "negative's\nprediction": x0, "mask": mask, "degraded": degrade(x0, mask, BLUR),
            "guidance added\n(red: lighter)": result - plain, "guided\nprediction": result,
        }  # fmt: skip
        steps.append((kept.sigma, {title: tensor[0, 0] for title, tensor in drawn.items()}))
    return steps


def draw(steps: list[tuple[float, dict[str, torch.Tensor]]]) -> None:
    titles = list(steps[0][1])
    figure, axes = plt.subplots(len(titles), len(SHOWN), figsize=(9.6, 7.5), layout="constrained")
    for column, number in zip(axes.T, SHOWN, strict=True):
        sigma, drawn = steps[number]
        x0, mask, degraded, guidance, guided = drawn.values()
        column[0].set_title(f"step {number}\nsigma {sigma:.3g}", fontsize=10)
        for panel, gray in zip(column, (x0, x0, degraded, guidance, guided), strict=True):
            panel.imshow(gray, **(COLOURS if gray is guidance else GRAY))
            panel.set(xticks=[], yticks=[])
        column[1].imshow(np.ma.masked_where(~mask.numpy(), mask), cmap="autumn", vmin=-2, alpha=0.6)
    for panel, title in zip(axes[:, 0], titles, strict=True):
        panel.set_ylabel(title, fontsize=10)
    figure.get_layout_engine().set(h_pad=0.03, w_pad=0.03, hspace=0.0, wspace=0.0)
    figure.savefig(OUT, dpi=100)


if __name__ == "__main__":
    with torch.inference_mode():
        draw(run())
