"""Other masks than the shipped one, for the ablation alone: the pack is wrapped from outside and stays as it is."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from unittest.mock import patch

import torch

TOKEN = 4  # pixels along a token's side in the middle block of the study's models


def shuffle(mask: torch.Tensor) -> torch.Tensor:
    """A mask [B, 1, h, w] of the same coverage, its tokens moved to random places."""
    tokens = mask[..., ::TOKEN, ::TOKEN]
    flat = tokens.flatten(1)
    order = torch.rand(flat.shape, device=mask.device).argsort(dim=1)
    moved = flat.gather(1, order).view(tokens.shape)
    return moved.repeat_interleave(TOKEN, dim=-2).repeat_interleave(TOKEN, dim=-1)


MASKS = {"inverse": torch.logical_not, "random": shuffle}


def masking(kind: str) -> AbstractContextManager:
    """While it lasts, the pack blurs another part of the picture than the one attended to most."""
    from sag_delayed_activation.sampling import SelfAttentionGuidance

    if kind == "attention":
        return nullcontext()
    shipped = SelfAttentionGuidance.mask
    return patch.object(SelfAttentionGuidance, "mask", lambda *args: MASKS[kind](shipped(*args)))
