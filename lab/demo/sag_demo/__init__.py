"""The demo's nodes: its model, its prompts, its latents and its pictures. Never shipped to users."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from . import architecture

WEIGHTS = Path(__file__).resolve().parents[1] / "model" / architecture.FILE


class FashionModel:
    """MODEL, one CONDITIONING with all ten classes as a batch, and the negative."""

    CATEGORY, FUNCTION = "demo", "load"
    RETURN_TYPES = ("MODEL", "CONDITIONING", "CONDITIONING")
    RETURN_NAMES = ("model", "ten classes", "negative")

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {}}

    def load(self) -> tuple[Any, list, list]:
        model, table = architecture.load(WEIGHTS)
        return model, [[table[: architecture.NEGATIVE], {}]], [[table[architecture.NEGATIVE :], {}]]


class FashionLatent:
    """Ten empty images of 32 x 32, one for each class."""

    CATEGORY, FUNCTION, RETURN_TYPES = "demo", "make", ("LATENT",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {}}

    def make(self) -> tuple[dict[str, torch.Tensor]]:
        return ({"samples": torch.zeros(len(architecture.CLASSES), 1, 32, 32)},)


class FashionImage:
    """IMAGE [B, 28, 28, 3] of a latent [B, 1, 32, 32]: the border of two pixels is padding."""

    CATEGORY, FUNCTION, RETURN_TYPES = "demo", "decode", ("IMAGE",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {"samples": ("LATENT",)}}

    def decode(self, samples: dict[str, torch.Tensor]) -> tuple[torch.Tensor]:
        gray = samples["samples"][:, 0, 2:-2, 2:-2].clamp(-1, 1) / 2 + 0.5
        return (gray.unsqueeze(-1).expand(-1, -1, -1, 3).cpu(),)


NODE_CLASS_MAPPINGS = {
    "SAG demo: model": FashionModel,
    "SAG demo: latent": FashionLatent,
    "SAG demo: image": FashionImage,
}
