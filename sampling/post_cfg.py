"""What the host hands to a post-CFG function: the one place that knows its keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

from .host_types import Conds, ModelOptions, PostCfgArgs, TransformerOptions

if TYPE_CHECKING:
    from comfy.model_base import BaseModel


class PostCfg(NamedTuple):
    """One evaluation of the model, as the host tells of it after CFG."""

    x: torch.Tensor  # noisy latent [B, C, h, w]
    sigma: torch.Tensor  # [B], all equal; the very same tensor for every hook of this evaluation
    denoised: torch.Tensor  # the host's result after CFG [B, C, h, w]
    cond: Conds
    uncond: Conds | None  # None if no negative was evaluated, as at cfg 1
    cond_denoised: torch.Tensor  # the positive's prediction [B, C, h, w]
    uncond_denoised: torch.Tensor  # the negative's [B, C, h, w]; zeros if it was not evaluated
    model: BaseModel
    model_options: ModelOptions

    @classmethod
    def of(cls, args: PostCfgArgs) -> PostCfg:
        """The arguments by their names here; KeyError if the host does not give one."""
        return cls(
            args["input"], args["sigma"], args["denoised"], args["cond"], args["uncond"],
            args["cond_denoised"], args["uncond_denoised"], args["model"], args["model_options"],
        )  # fmt: skip

    @property
    def transformer_options(self) -> TransformerOptions:
        return self.model_options["transformer_options"]
