"""The demo's model in this process: the real ComfyUI on the CPU, the pack's own nodes, no server."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from lab.loading import load_host, load_pack

HERE = Path(__file__).resolve().parent


class Garments:
    """The demo's ten garments, sampled by the host's KSampler; `node` makes any of the pack's nodes."""

    def __init__(self) -> None:
        load_host(cpu=True)
        self.classes = load_pack().NODE_CLASS_MAPPINGS
        self.demo = load_pack("sag_demo", HERE / "sag_demo").NODE_CLASS_MAPPINGS
        self.model, self.positive, self.negative = self.demo["SAG demo: model"]().load()

    def node(self, kind: str) -> Any:
        return self.classes[kind]()

    def sample(self, model: Any, seed: int, steps: int, cfg: float, which: Sequence[int] = range(10)) -> torch.Tensor:
        """Latents [n, 1, 32, 32], one of each class in `which`, by Euler on the `normal` schedule."""
        import comfy.sample

        (latent,) = self.demo["SAG demo: latent"]().make()
        noise = comfy.sample.prepare_noise(latent["samples"], seed)[list(which)]
        ((prompts, options),) = self.positive
        return comfy.sample.sample(
            model, noise, steps, cfg, "euler", "normal", [[prompts[list(which)], options]], self.negative,
            torch.zeros_like(noise), disable_pbar=True, seed=seed,
        )  # fmt: skip

    def pictures(self, latents: torch.Tensor) -> torch.Tensor:
        """IMAGE [10, 28, 28, 3]."""
        return self.demo["SAG demo: image"]().decode({"samples": latents})[0]
