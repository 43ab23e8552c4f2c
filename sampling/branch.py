"""Which prompt is read: the side of CFG, where in the picture its prompts count, and their cond_index."""

from __future__ import annotations

from typing import NamedTuple

import torch

from .host_types import Conds, Prompt
from .post_cfg import PostCfg
from .recorder import Evaluation
from .sentences import GuidanceSkipped, Phrase
from .settings import AUTO, NEGATIVE, POSITIVE

COND, UNCOND = 0, 1  # cond_index of the positive and of the negative prompt, for most guiders
# A prompt that has none of these counts everywhere alike, at every sigma.
REGION_KEYS = {"area", "mask", "strength", "timestep_start", "timestep_end", "default"}


class Region(NamedTuple):
    """Where in the picture a prompt counts, and how strongly. `top` and `left` are latent pixels."""

    prompt: Prompt
    weight: torch.Tensor | None = None  # [B, 1, height, width] of its area; None: the whole frame, everywhere alike
    top: int = 0
    left: int = 0


class Branch(NamedTuple):
    """The side of CFG whose attention is read and whose prediction is degraded."""

    role: str  # NEGATIVE or POSITIVE
    prompts: Conds
    other_prompts: Conds | None
    x0: torch.Tensor  # its prediction [B, C, h, w]
    regions: list[Region]  # of those of its prompts that are active at this sigma; never empty

    def cond_index(self, evaluation: Evaluation) -> int:
        """The cond_index of this branch's prompts; GuidanceSkipped if they were not evaluated, or it cannot be told."""
        found = evaluation.cond_index_of(self.prompts, self.other_prompts)
        if found is None:
            raise GuidanceSkipped("promptNotRun", role=Phrase(self.role))
        return found


def usual_cond_index(wanted: str, conds: list[Conds | None]) -> int | None:
    """The cond_index of the branch `wanted`, if `conds` are two sides, as in the host's own CFG; else None.

    None, too, if that side is not evaluated. For `auto` it is the negative's, since most runs have one. To know it
    before the UNet runs halves the rows that are kept meanwhile.
    """
    index = COND if wanted == POSITIVE else UNCOND
    return index if len(conds) == 2 and conds[index] is not None else None


def choose_branch(wanted: str, evaluation: Evaluation | None, post: PostCfg) -> Branch:
    """The side that `wanted` names; for `auto` the negative or, if this model evaluated no active one, the positive.

    GuidanceSkipped if no prompt of that side is active at this sigma.
    """
    if wanted == AUTO and evaluation is not None and evaluation.saw_only(post.cond):
        wanted = POSITIVE  # another model evaluated the negative
    if wanted != POSITIVE:
        if regions := active_regions(post.uncond or [], post.x, post.sigma):
            return Branch(NEGATIVE, post.uncond or [], post.cond, post.uncond_denoised, regions)
        if wanted == NEGATIVE:
            raise GuidanceSkipped("negativeNotActive" if post.uncond else "noNegative")
    if regions := active_regions(post.cond or [], post.x, post.sigma):
        return Branch(POSITIVE, post.cond, post.uncond, post.cond_denoised, regions)
    raise GuidanceSkipped("positiveNotActive")


def active_regions(prompts: Conds, x: torch.Tensor, sigma: torch.Tensor) -> list[Region]:
    """The prompts that are active at `sigma` [B], placed on `x` [B, C, h, w] and weighted by the host's own rule.

    The list is empty if none is active. For a lone prompt that counts everywhere alike, the host is not asked: on a
    small picture, that would be a fifth of this node's own time.
    """
    import comfy.samplers

    if len(prompts) == 1 and not REGION_KEYS & prompts[0].keys():
        return [Region(prompts[0])]
    regions, left_over = [], torch.ones_like(x[:, :1])
    for prompt in sorted(prompts, key=is_default):  # a default one comes last, and takes what the others left
        active = comfy.samplers.get_area_and_mult(prompt, x, sigma)
        if active is None:
            continue
        height, width, top, left = active.area or (*x.shape[-2:], 0, 0)
        weight = active.mult[:, :1]
        if is_default(prompt):
            weight = left_over.relu()
        else:
            left_over[..., top : top + height, left : left + width] -= weight
        regions.append(Region(prompt, weight, top, left))
    return regions


def is_default(prompt: Prompt) -> bool:
    """Whether this prompt takes the places that no other prompt of its side takes."""
    return "default" in prompt
