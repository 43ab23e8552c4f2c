"""Other guidance than the shipped one, for comparisons alone: the pack is wrapped from outside and stays as it is."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any
from unittest.mock import patch

import torch

TOKENS = 8  # along a side of the middle block, in all of the study's models


def shuffle(mask: torch.Tensor) -> torch.Tensor:
    """A mask [B, 1, h, w] of the same coverage, its tokens moved to random places."""
    token = mask.shape[-1] // TOKENS
    tokens = mask[..., ::token, ::token]
    flat = tokens.flatten(1)
    order = torch.rand(flat.shape, device=mask.device).argsort(dim=1)
    moved = flat.gather(1, order).view(tokens.shape)
    return moved.repeat_interleave(token, dim=-2).repeat_interleave(token, dim=-1)


MASKS = {"inverse": torch.logical_not, "random": shuffle}


def soften(guidance: torch.Tensor, width: float) -> torch.Tensor:
    from sag_delayed_activation.sag_core import blur

    return blur(guidance, width) if width else guidance


def second_smooth(paper: torch.Tensor, missing: torch.Tensor, detail: float, width: float) -> torch.Tensor:
    return paper + detail * soften(missing, width)


def all_smooth(paper: torch.Tensor, missing: torch.Tensor, detail: float, width: float) -> torch.Tensor:
    return soften(paper + detail * missing, width)


def unsharp(paper: torch.Tensor, missing: torch.Tensor, detail: float, width: float) -> torch.Tensor:
    return detail * soften(missing, width)


# What guidance is, of `paper` = degraded - sag, `missing` = x0 - degraded, and detail. The numbers are latent pixels.
# "detail smoothed by 0.7" is the node's own.
FORMS: dict[str, Callable[[torch.Tensor, torch.Tensor, float], torch.Tensor]] = {
    "detail": partial(second_smooth, width=0.0),
    **{f"detail smoothed by {width:g}": partial(second_smooth, width=width) for width in (0.5, 1.0)},
    **{f"all smoothed by {width:g}": partial(all_smooth, width=width) for width in (0.7, 1.0)},
    "unsharp": partial(unsharp, width=0.0), "unsharp smoothed by 0.7": partial(unsharp, width=0.7),
}  # fmt: skip


@contextmanager
def guidance(form: str, detail: float, masking: str) -> Iterator[None]:
    """While it lasts, the pack's guidance has another form, or its mask is another than of what is attended to most."""
    from sag_delayed_activation.sampling.self_attention import SelfAttentionGuidance as Own

    shipped, look, mask = Own.compute, Own.evaluate_degraded, Own.mask
    free = form.startswith("unsharp")  # it needs no second look
    changes: list[torch.Tensor] = []  # degraded - x0, of the evaluation at hand

    def note(own: Any, change: torch.Tensor, *rest: Any) -> tuple[torch.Tensor, int]:
        changes.append(change)
        return (torch.zeros_like(change), 0) if free else look(own, change, *rest)

    def compute(own: Any, *args: Any) -> Any:
        found = shipped(own, *args)
        return found._replace(falling=FORMS[form](found.falling, -changes.pop(), detail))

    replaced = {"evaluate_degraded": note, "compute": compute} if form in FORMS else {}
    if masking in MASKS:
        replaced["mask"] = lambda *args: MASKS[masking](mask(*args))
    with patch.multiple(Own, **replaced) if replaced else nullcontext():
        yield


def values(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, extra: dict[str, Any], mask: Any = None) -> torch.Tensor:
    """PAG's attention: each token sees itself alone."""
    return v


def blurred(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, extra: dict[str, Any], mask: Any = None, *, width: float
) -> torch.Tensor:
    """SEG's: queries [B, tokens, heads * dim] blurred over the grid of tokens; an infinite width gives their mean."""
    from comfy.ldm.modules.attention import optimized_attention

    from sag_delayed_activation.sag_core import blur

    if math.isinf(width):
        q = q.mean(dim=1, keepdim=True).expand_as(q)
    else:
        grid = q.transpose(1, 2).unflatten(2, extra["activations_shape"][-2:])
        q = blur(grid, width).flatten(2).transpose(1, 2)
    return optimized_attention(q, k, v, extra["n_heads"], attn_precision=extra["attn_precision"])


# The host's PAG, arXiv 2403.17377, and SEG, arXiv 2408.00760, by its width in tokens: attention of all transformers in
# the middle block, and whether the negative prompt is looked at once more where there is one, as the node does.
PERTURBED: dict[str, tuple[Callable[..., torch.Tensor], bool]] = {
    "pag": (values, False), "seg 1": (partial(blurred, width=1.0), True), "seg 3": (partial(blurred, width=3.0), True),
    "seg mean": (partial(blurred, width=math.inf), True),
}  # fmt: skip


class PerturbedAttention:
    """Guidance away from what the model predicts with other attention in its middle, inside a sigma window."""

    def __init__(self, form: str, scale: float, window: Any) -> None:
        self.attention, self.negative = PERTURBED[form]
        self.scale, self.window, self.calls = scale, window, 0

    def calls_of_run(self) -> int:
        """How many extra calls there were since this was last asked."""
        calls, self.calls = self.calls, 0
        return calls

    def __call__(self, args: dict[str, Any]) -> torch.Tensor:
        """A post-CFG function."""
        import comfy.model_patcher
        import comfy.samplers

        if float(args["sigma"].max()) not in self.window:
            return args["denoised"]
        options = comfy.model_patcher.set_model_options_patch_replace(
            args["model_options"].copy(), self.attention, "attn1", "middle", 0
        )
        side = "uncond" if self.negative and args["uncond"] else "cond"
        (perturbed,) = comfy.samplers.calc_cond_batch(
            args["model"], [args[side]], args["input"], args["sigma"], options
        )
        self.calls += 1
        return args["denoised"] + (args[f"{side}_denoised"] - perturbed) * self.scale
