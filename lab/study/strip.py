#!/usr/bin/env python3
"""Draws docs/strip.png: for one seed, what guidance does at the steps of one sampling run. Runs on the CPU.

    COMFYUI_PATH=/path/to/ComfyUI python -m lab.study.strip

Rows: the negative's prediction, the mask over it, the degraded prediction, the guidance that is added, the guided
prediction. The tensors are the pack's own, taken on the host's hooks while it samples.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
import numpy as np
import torch

from lab.loading import ROOT, load_host
from lab.study.inside_host import pack
from lab.study.sample_settings import DEMO

matplotlib.use("Agg")
from matplotlib import pyplot as plt  # noqa: E402 - after the choice of the backend

OUT = ROOT / "docs/strip.png"
SEED, GARMENT, CFG, SCALE, BLUR, STEPS = 7, 5, 2.0, 1.5, 2.0, 20
SHOWN = (0, 4, 8, 11, 14, 17, 19)  # steps
STRONGEST = 0.35  # guidance that is shown in full colour; a picture goes from -1 to 1
TITLES = ("negative's\nprediction", "mask", "degraded", "guidance added\n(red: lighter)", "guided\nprediction")


class Step(NamedTuple):
    """One step of a run of one picture, all [h, w]."""

    sigma: float
    x0: torch.Tensor
    mask: torch.Tensor
    degraded: torch.Tensor
    guidance: torch.Tensor
    guided: torch.Tensor


def run() -> list[Step]:
    """Samples one picture with the node, and notes each step."""
    import comfy.sample

    from lab.demo.sag_demo import architecture

    model, table = architecture.load(DEMO)
    guided = pack("nodes").SelfAttentionGuidanceCustom().patch(model, SCALE, BLUR, 1000.0, 0.0)[0]
    store = guided.model_options[pack("sampling.masks").MASK_STORE]
    before: list[torch.Tensor] = []
    noted: list[dict[str, Any]] = []
    functions = guided.model_options["sampler_post_cfg_function"]
    functions.insert(0, lambda args: before.append(args["denoised"]) or args["denoised"])
    functions.append(lambda args: noted.append(args.copy()) or args["denoised"])
    noise = torch.randn(1, 1, 32, 32, generator=torch.Generator().manual_seed(SEED))
    comfy.sample.sample(
        guided, noise, STEPS, CFG, "euler", "normal", [[table[GARMENT][None], {}]], [[table[-1:], {}]],
        torch.zeros_like(noise), disable_pbar=True, seed=SEED,
    )  # fmt: skip
    masks = store.runs[tuple(noise.shape)][-1].steps
    return [step(args, plain, kept) for args, plain, kept in zip(noted, before, masks, strict=True)]


def step(args: dict[str, Any], plain: torch.Tensor, kept: Any) -> Step:
    mask, x0 = torch.from_numpy(kept.mask.unpacked())[:, None], args["uncond_denoised"]
    degraded, guided = pack("sag_core").degrade(x0, mask, BLUR), args["denoised"]
    return Step(kept.sigma, *(t[0, 0] for t in (x0, mask, degraded, guided - plain, guided)))


def draw(steps: list[Step], file: Path) -> None:
    figure, axes = plt.subplots(len(TITLES), len(SHOWN), figsize=(9.6, 7.5), layout="constrained")
    gray, colours = {"cmap": "gray", "vmin": -1, "vmax": 1}, {"cmap": "RdBu_r", "vmin": -STRONGEST, "vmax": STRONGEST}
    for column, number in zip(axes.T, SHOWN, strict=True):
        shown = steps[number]
        column[0].set_title(f"step {number}\nsigma {shown.sigma:.3g}", fontsize=10)
        column[0].imshow(shown.x0, **gray)
        column[1].imshow(shown.x0, **gray)
        column[1].imshow(np.ma.masked_where(~shown.mask.numpy(), shown.mask), cmap="autumn", vmin=-2, alpha=0.6)
        column[2].imshow(shown.degraded, **gray)
        column[3].imshow(shown.guidance, **colours)
        column[4].imshow(shown.guided, **gray)
    for panel in axes.flat:
        panel.set(xticks=[], yticks=[])
    for panel, title in zip(axes[:, 0], TITLES, strict=True):
        panel.set_ylabel(title, fontsize=10)
    figure.get_layout_engine().set(h_pad=0.03, w_pad=0.03, hspace=0.0, wspace=0.0)
    figure.savefig(file, dpi=100)
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=OUT)
    out = parser.parse_args().out
    load_host()
    with torch.inference_mode():
        draw(run(), out)
    print(out)


if __name__ == "__main__":
    main()
