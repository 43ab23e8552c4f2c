"""Which prompt is read: the side of CFG, where its prompts count, and which of the evaluated ones they are."""

from __future__ import annotations

from typing import NamedTuple

import torch

from .host import wrappers_exist
from .host_types import Conds, PlacedPrompt, Prompt
from .post_cfg import PostCfg
from .recorder import Evaluation
from .sentences import GuidanceSkipped, Said
from .settings import AUTO, NEGATIVE, POSITIVE

COND, UNCOND = 0, 1  # cond_index of the positive and of the negative prompt, for most guiders
# A prompt with none of these counts everywhere alike, at every sigma.
REGION_KEYS = {"area", "mask", "strength", "timestep_start", "timestep_end", "default"}


class Region(NamedTuple):
    """Where, and how strongly, a prompt counts in the prediction."""

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
    usual_cond_index: int
    regions: list[Region]  # of its prompts that are active at this sigma; never empty

    def cond_index(self, evaluation: Evaluation) -> int:
        """Which of the evaluated prompts are this branch's; GuidanceSkipped where none is, or it is open."""
        if wrappers_exist():
            found = evaluation.cond_index_of(self.prompts, self.other_prompts)
            if found is None:
                raise GuidanceSkipped("promptNotRun", role=Said(self.role))
            return found
        if any(key.cond_index > UNCOND for key in evaluation.by_prompt()):
            raise GuidanceSkipped("threePrompts", role=Said(self.role))
        return self.usual_cond_index


def usual_cond_index(wanted: str, conds: list[Conds | None]) -> int | None:
    """The cond_index that `wanted`, a branch, will have, if there are two as in the host's CFG; None where it is open.

    For `auto` the negative's: with it, fewer rows are kept.
    """
    index = COND if wanted == POSITIVE else UNCOND
    return index if len(conds) == 2 and conds[index] is not None else None


def choose_branch(wanted: str, evaluation: Evaluation | None, post: PostCfg) -> Branch:
    """The side that `wanted` names; for `auto` the negative, or the positive where this model evaluated no negative."""
    if wanted == AUTO and evaluation is not None and evaluation.saw_only(post.cond):
        wanted = POSITIVE  # another model evaluated the negative
    if wanted != POSITIVE:
        if regions := active_regions(post.uncond or [], post.x, post.sigma):
            return Branch(NEGATIVE, post.uncond or [], post.cond, post.uncond_denoised, UNCOND, regions)
        if wanted == NEGATIVE:
            raise GuidanceSkipped("negativeNotActive" if post.uncond else "noNegative")
    if regions := active_regions(post.cond or [], post.x, post.sigma):
        return Branch(POSITIVE, post.cond, post.uncond, post.cond_denoised, COND, regions)
    raise GuidanceSkipped("positiveNotActive")


def active_regions(prompts: Conds, x: torch.Tensor, sigma: torch.Tensor) -> list[Region]:
    """The prompts that are active at `sigma`, placed and weighted by the host's own rule; an empty list where none is.

    Where one counts everywhere alike the host is not asked: its answer takes a fifth of this node's own time on a
    small picture.
    """
    import comfy.samplers

    if len(prompts) == 1 and not REGION_KEYS & prompts[0].keys():
        return [Region(prompts[0])]
    regions, left_over = [], torch.ones_like(x[:, :1])
    ordered: Conds = sorted(prompts, key=is_default)
    for prompt in ordered:
        active: PlacedPrompt | None = comfy.samplers.get_area_and_mult(prompt, x, sigma)
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
    """Whether it takes what no other prompt took."""
    return "default" in prompt
