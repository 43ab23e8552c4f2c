"""Which prompt is read: the side of CFG, where its prompts count, and which of the evaluated ones they are."""

from __future__ import annotations

from typing import NamedTuple

import torch

from .host_types import Conds, Prompt
from .post_cfg import PostCfg
from .recorder import Evaluation
from .sentences import GuidanceSkipped, Phrase
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
    regions: list[Region]  # of its prompts that are active at this sigma; never empty

    def cond_index(self, evaluation: Evaluation) -> int:
        """Which of the evaluated prompts are this branch's; GuidanceSkipped where that cannot be told."""
        found = evaluation.cond_index_of(self.prompts, self.other_prompts)
        if found is None:
            raise GuidanceSkipped("promptNotRun", role=Phrase(self.role))
        return found


def usual_cond_index(wanted: str, conds: list[Conds | None]) -> int | None:
    """The cond_index of the branch `wanted`, where the host evaluates two sides as its own CFG does; else None.

    None, too, where that side is not evaluated. For `auto` it is the negative's: most runs have one, and knowing it
    beforehand halves the rows that are kept while the UNet runs.
    """
    index = COND if wanted == POSITIVE else UNCOND
    return index if len(conds) == 2 and conds[index] is not None else None


def choose_branch(wanted: str, evaluation: Evaluation | None, post: PostCfg) -> Branch:
    """The side that `wanted` names; for `auto` the negative, or the positive where this model evaluated no negative.

    GuidanceSkipped where no prompt of that side is active at this sigma.
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
    """The prompts that are active at `sigma`, placed and weighted by the host's own rule; an empty list where none is.

    A lone prompt that counts everywhere alike is taken without asking the host: its answer would take a fifth of this
    node's own time on a small picture.
    """
    import comfy.samplers

    if len(prompts) == 1 and not REGION_KEYS & prompts[0].keys():
        return [Region(prompts[0])]
    regions, left_over = [], torch.ones_like(x[:, :1])
    for prompt in sorted(prompts, key=is_default):  # it takes what the others left
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
    """Whether it takes what no other prompt took."""
    return "default" in prompt
