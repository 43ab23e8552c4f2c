"""Other masks than the shipped one, for the ablation alone: the pack is wrapped from outside and stays as it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from lab.study.inside_host import pack, replaced

TOKEN = 4  # pixels along a token's side in the middle block of the study's models


def inverse(mask: torch.Tensor) -> torch.Tensor:
    """What the mask leaves out."""
    return ~mask


def shuffled(mask: torch.Tensor) -> torch.Tensor:
    """A mask [B, 1, h, w] of the same coverage, its tokens moved to random places."""
    tokens = mask[..., ::TOKEN, ::TOKEN]
    flat = tokens.flatten(1)
    order = torch.rand(flat.shape, device=mask.device).argsort(dim=1)
    moved = flat.gather(1, order).view(tokens.shape)
    return moved.repeat_interleave(TOKEN, dim=-2).repeat_interleave(TOKEN, dim=-1)


MASKS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {"inverse": inverse, "random": shuffled}


@contextmanager
def masking(kind: str) -> Iterator[None]:
    """While it lasts, the pack blurs another part of the picture than the one attended to most."""
    if kind == "attention":
        yield
        return
    node, change = pack("sampling.self_attention").SelfAttentionGuidance, MASKS[kind]
    shipped = node.mask
    with replaced(node, "mask", lambda *args: change(shipped(*args))):
        yield
