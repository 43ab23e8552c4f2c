"""Other guidance than the shipped one, for comparisons alone: the pack is wrapped from outside and stays as it is."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from unittest.mock import patch

import torch

from lab.study.questions import UNSHARP_WIDTH


@contextmanager
def unsharp_mask() -> Iterator[None]:
    """While it lasts, guidance is `x0 - degraded`, smoothed, inside the mask: no second look at the model."""
    from sag_delayed_activation.sag_core import blur
    from sag_delayed_activation.sampling.self_attention import SelfAttentionGuidance as Own

    shipped = Own.compute
    changes: list[torch.Tensor] = []  # degraded - x0, of the evaluation at hand

    def note(own: Any, change: torch.Tensor, *rest: Any) -> tuple[torch.Tensor, int]:
        changes.append(change)
        return torch.zeros_like(change), 0

    def compute(own: Any, *args: Any) -> Any:
        return shipped(own, *args)._replace(falling=blur(-changes.pop(), UNSHARP_WIDTH))

    with patch.multiple(Own, evaluate_degraded=note, compute=compute):
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
