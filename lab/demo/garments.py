"""The demo's ten garments in this process: its model, the real ComfyUI on the CPU, and the pack's own nodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from lab.loading import load_host, load_pack

BASIC, ADVANCED = "SAG delayed activation", "SAG delayed activation (advanced)"
STEPS, CFG, SEED, SCALE, BLUR = 20, 2.0, 7, 1.5, 2.0


class Garments:
    """`model` is the demo's MODEL, and `calls` how often its UNet was called."""

    def __init__(self) -> None:
        load_host(cpu=True)
        torch.set_num_threads(1)  # the model is tiny: on a busy machine threads wait longer than they work
        from lab.demo.sag_demo import FashionImage, FashionModel

        self.model, self.positive, self.negative = FashionModel().load()
        self.decode = FashionImage().decode
        self.calls = 0
        self.model.model.diffusion_model.register_forward_pre_hook(self._count)

    def _count(self, *_: Any) -> None:
        self.calls += 1

    def node(self, kind: str) -> Any:
        """One of the pack's nodes."""
        return load_pack().NODE_CLASS_MAPPINGS[kind]()

    def guide(self, kind: str = BASIC, **settings: Any) -> Any:
        """The MODEL with a SAG node on it, which acts on all steps where the settings do not say otherwise."""
        usual = {"scale": SCALE, "blur_sigma": BLUR, "sigma_start": 1000.0, "sigma_end": 0.0}
        return self.node(kind).patch(self.model, **usual | settings)[0]

    def sample(self, model: Any, seed: int = SEED, which: Sequence[int] = range(10)) -> torch.Tensor:
        """Latents [n, 1, 32, 32], one of each class in `which`, as the host's KSampler makes them."""
        import comfy.sample

        empty = torch.zeros(10, 1, 32, 32)
        noise = comfy.sample.prepare_noise(empty, seed)[list(which)]
        ((prompts, options),) = self.positive
        return comfy.sample.sample(
            model, noise, STEPS, CFG, "euler", "normal", [[prompts[list(which)], options]], self.negative,
            empty[list(which)], disable_pbar=True, seed=seed,
        )  # fmt: skip

    def pictures(self, latents: torch.Tensor) -> torch.Tensor:
        """IMAGE [n, 28, 28, 3]."""
        return self.decode({"samples": latents})[0]
