"""Self-attention guidance on a DiT: the node's own, but for where queries and keys come from.

A DiT has no attn1 replace. The host lets each call of the model have an attention override of its own instead. This
one counts the attentions of the call, and in the block that is read it notes the image's own queries and keys. Mask,
degraded latent, second look, window and log are the UNet's.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

import torch

from lab.loading import load_pack

load_pack()
from sag_delayed_activation.sampling.hooks import DelayedGuidance  # noqa: E402
from sag_delayed_activation.sampling.layers import Layer  # noqa: E402
from sag_delayed_activation.sampling.prompt_graph import Typed  # noqa: E402
from sag_delayed_activation.sampling.recorder import UnetCall  # noqa: E402
from sag_delayed_activation.sampling.self_attention import SelfAttentionGuidance  # noqa: E402
from sag_delayed_activation.sampling.settings import Settings  # noqa: E402

OVERRIDE = "optimized_attention_override"  # the host's own key in transformer_options, from 0.3.60


class JointAttentionRecorder:
    """The attention override of one call of an MMDiT. Its sequence is the text, then the image, row by row."""

    def __init__(self, options: dict[str, Any], key: str, block: int, latent: torch.Tensor, patch: int) -> None:
        """`options` are the call's transformer options, `key` the call's record in them."""
        self.options, self.key, self.block, self.calls = options, key, block, 0
        self.previous = options.get(OVERRIDE)
        grid = [-(-side // patch) for side in latent.shape[-2:]]  # the host pads odd sides
        self.tokens = grid[0] * grid[1]
        self.told = {"original_shape": latent.shape, "activations_shape": grid}

    def __call__(self, attention: Any, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, heads: int, **rest: Any):
        """q, k and v are [N, text + image, heads * dim]; each of MMDiT's blocks has one attention."""
        if self.calls == self.block:
            image = (t[:, -self.tokens :].clone() for t in (q, k))  # at once: the text's rows are not kept
            self.options[self.key].record(*image, {**self.options, **self.told, "n_heads": heads})
        self.calls += 1
        if self.previous is not None:
            return self.previous(attention, q, k, v, heads, **rest)
        return attention(q, k, v, heads, **rest)


@dataclass(frozen=True)
class DiTGuidance(SelfAttentionGuidance):
    """What `SelfAttentionGuidance` computes, of an MMDiT's block. `layer.block` is ("dit", its number)."""

    def install(self, model: Any) -> None:
        from comfy.patcher_extension import WrappersMP, add_wrapper_with_key

        options = model.model_options
        add_wrapper_with_key(WrappersMP.APPLY_MODEL, f"{self.key} dit", self.around_call, options, True)

    def around_call(self, executor: Any, x: torch.Tensor, t: torch.Tensor, *args: Any, **rest: Any) -> torch.Tensor:
        """Give this call an override of its own. The host passes its options third after sigma."""
        concat, context, control, options = args
        patch = executor.class_obj.diffusion_model.patch_size
        if self.key not in options:
            return executor(x, t, concat, context, control, options, **rest)
        evaluation = options[self.key]
        call = UnetCall(evaluation)
        own = {**options, self.key: call}
        own[OVERRIDE] = JointAttentionRecorder(own, self.key, self.layer.block[1], x, patch)
        output: torch.Tensor = executor(x, t, concat, context, control, own, **rest)
        evaluation.take(call)
        return output


def with_guidance(model: Any, settings: Settings, block: int) -> Any:
    """A clone of `model`, which holds an MMDiT, with guidance by the attention of that block."""
    patched, key = model.clone(), f"sag_delayed_activation_{uuid.uuid4().hex}"
    technique = DiTGuidance(settings, Layer(f"b{block}", ("dit", block), 0), key)
    DelayedGuidance(settings, technique, key, Typed("DiT", {})).install(patched)
    return patched
