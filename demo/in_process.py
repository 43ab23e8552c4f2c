"""The demo's model in this process: the real ComfyUI on the CPU, the pack's own nodes, no server."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

HERE = Path(__file__).resolve().parent


def load_pack(name: str, folder: Path) -> ModuleType:
    """A custom node pack, as the host loads it: from its folder, as a package of that name."""
    place = [str(folder)]
    spec = importlib.util.spec_from_file_location(name, folder / "__init__.py", submodule_search_locations=place)
    sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


class Garments:
    """The demo's ten garments, sampled by the host's KSampler; `node` makes any of the pack's nodes."""

    def __init__(self, comfyui: Path) -> None:
        sys.path.insert(0, str(comfyui))
        import comfy.cli_args

        comfy.cli_args.args.cpu = True  # before the rest of the host is imported, which picks its device then
        self.classes = load_pack("sag_delayed_activation", HERE.parent).NODE_CLASS_MAPPINGS
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
