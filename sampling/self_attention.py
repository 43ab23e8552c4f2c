"""What self-attention guidance does in an evaluation: the mask, the degraded latent, the second look at it.

This is the seam. It knows nothing of the window, of fade, rescale, every, or of the log: it gives a difference, the
mask and what that cost. Another kind of guidance is another class with the same three methods.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

import torch

from ..sag_core import SMALLEST_SIDE, AttentionBlend, degrade, detail_taken, upsample_nearest
from .branch import Branch, usual_cond_index
from .host import HostAttention, prompt_id, renamed
from .host_types import Conds, ModelOptions, ModelPatcher, ModelSampling, TransformerOptions, UNetWrapper
from .layers import Layer, transformers_beside
from .post_cfg import PostCfg
from .recorder import AttentionRecorder, DegradedPass, Evaluation, PromptAttention, PromptKey
from .sentences import GuidanceSkipped, Said
from .settings import Settings

LEAST_X0 = 1e-3  # share of x0 in a latent below which a change of x0 is not seen


class Guidance(NamedTuple):
    """What one evaluation of the degraded latent gave. Scale multiplies the sum of the first two."""

    difference: torch.Tensor  # degraded - sag [B, C, h, w], in units of x0. It falls with sigma
    detail: torch.Tensor | None  # the setting's share of what the blur took [B, C, h, w]. It does not; None: 0
    mask: torch.Tensor  # boolean [B, 1, h, w]
    unet_calls: int  # that it took


@dataclass(frozen=True)
class SelfAttentionGuidance:
    """Self-attention guidance by one layer of the UNet.

    `key` names this node's entries in the run's options, so that several of these nodes do not meet.
    """

    settings: Settings
    layer: Layer
    key: str

    def install(self, model: ModelPatcher) -> None:
        """Register the recorder on `model`, the caller's own clone."""
        options: ModelOptions = model.model_options
        present = options.get("transformer_options", {}).get("patches_replace", {}).get("attn1", {})
        # Under the block's own key another node's pass (PAG) can still replace the recorder for a moment;
        # under the transformer's key it could not, so that one is taken only where it is taken already.
        block, transformer = self.layer.block, self.layer.transformer
        hosts_own = HostAttention.of(transformers_beside(model, self.layer))
        for address in [block] + [own for own in [(*block, transformer)] if own in present]:
            recorder = AttentionRecorder(self.key, transformer, present.get(address, hosts_own))
            model.set_model_attn1_replace(recorder, *address)

    def wanted_cond_index(self, conds: list[Conds | None]) -> int | None:
        """Which of the prompts that are about to be evaluated will be read, where that is known."""
        return usual_cond_index(self.settings.branch, conds)

    def compute(self, branch: Branch, evaluation: Evaluation | None, sigma: float, post: PostCfg) -> Guidance:
        """`degraded - sag` for what was recorded in `evaluation`; GuidanceSkipped where it cannot be made."""
        evaluation = self.usable(evaluation, post)
        if is_pure_noise(sigma, post.model.model_sampling):
            raise GuidanceSkipped("pureNoise")
        index = branch.cond_index(evaluation)
        mask = self.mask(branch, index, evaluation.by_prompt(), post.x)
        # The model's own, as the second look will be. A pre-CFG function (Skimmed CFG) may have replaced x0 since.
        x0 = evaluation.predictions[index] if evaluation.predictions else branch.x0
        degraded = degrade(x0, mask, self.settings.blur_sigma)
        sag, unet_calls = self.evaluate_degraded(degraded - x0, branch.prompts, index, post)
        detail = self.settings.detail * detail_taken(x0, degraded) if self.settings.detail else None
        return Guidance(degraded - sag, detail, mask, unet_calls)

    def usable(self, evaluation: Evaluation | None, post: PostCfg) -> Evaluation:
        """The evaluation, where a mask can be made of it."""
        height, width = post.x.shape[-2:]
        if min(height, width) < SMALLEST_SIDE:
            raise GuidanceSkipped("tooSmall", height=height, width=width)
        if evaluation is None:
            raise GuidanceSkipped("hidden")
        if not evaluation.covers(post.x):
            raise GuidanceSkipped("inParts")
        if is_deep_cache(post.model_options.get("model_function_wrapper")):
            raise GuidanceSkipped("deepCache")
        if not evaluation.calls:
            raise self.nothing_recorded(post.transformer_options)
        return evaluation

    def mask(
        self, branch: Branch, cond_index: int, recorded: dict[PromptKey, PromptAttention], x: torch.Tensor
    ) -> torch.Tensor:
        """Where the branch's attention is above `threshold`: boolean [B, 1, h, w]."""
        batch, height, width = x.shape[0], *x.shape[-2:]
        blend, seen = None, set()
        for prompt, weight, top, left in branch.regions:
            rows, columns = (height, width) if weight is None else weight.shape[-2:]
            key = PromptKey(prompt_id(prompt), cond_index, (rows, columns))
            if key in seen and key.prompt is None:
                raise GuidanceSkipped("oneSize", role=Said(branch.role))
            attention = recorded.get(key)
            if attention is None:
                if weight is None or weight.any():
                    raise GuidanceSkipped("promptNotAllRun", role=Said(branch.role))
                continue
            received = attention.received(batch).to(x.device)  # another GPU may have evaluated this prompt
            if weight is None:  # it stands alone, so there is nothing to blend it with
                return upsample_nearest(received, height, width) > self.settings.threshold
            blend = blend or AttentionBlend(x, self.settings.threshold)
            blend.add(received, weight, top, left)
            seen.add(key)
        if blend is None:
            raise GuidanceSkipped("promptWithoutWeight", role=Said(branch.role))
        return blend.mask()

    def evaluate_degraded(
        self, change: torch.Tensor, prompts: Conds, cond_index: int, post: PostCfg
    ) -> tuple[torch.Tensor, int]:
        """sag [B, C, h, w] for `change` = degraded - x0, and the number of UNet calls that it took."""
        import comfy.samplers

        # Noising is linear in x0 for every model_sampling: noising the change alone gives what to add to x,
        # and so the noise in x stays as it is (1 * change for EPS and v-prediction, (1 - sigma) * change for flow).
        model = post.model
        sigma = post.sigma.view(-1, *[1] * (post.x.ndim - 1))
        added = model.model_sampling.noise_scaling(sigma, torch.zeros_like(change), change)

        degraded_pass = DegradedPass()
        options = post.model_options.copy()
        options["transformer_options"] = {**post.transformer_options, self.key: degraded_pass}
        # uuids of its own, the same in every step: caches that go by uuid never mix this call with the prompt's own.
        own = [renamed(c, self.key) for c in prompts]
        # At the prompt's own cond_index, so that patches which go by it (IPAdapter) treat it as what it is.
        conds = [None] * cond_index + [own]
        predictions = comfy.samplers.calc_cond_batch(model, conds, post.x + added, post.sigma, options)
        if not degraded_pass.unet_calls:
            raise GuidanceSkipped("cacheAnswered")
        return predictions[cond_index], degraded_pass.unet_calls

    def nothing_recorded(self, transformer_options: TransformerOptions) -> GuidanceSkipped:
        """Says why: it names the node that took the layer's attention away, if one did."""
        replaces = transformer_options.get("patches_replace", {}).get("attn1", {})
        for address in ((*self.layer.block, self.layer.transformer), self.layer.block):
            patch = replaces.get(address)
            if patch is not None and not isinstance(patch, AttentionRecorder):
                module, stage = getattr(patch, "__module__", type(patch).__module__), self.layer.block[0]
                return GuidanceSkipped("replaced", module=module, stage=Said(stage), layer=self.layer.name)
        return GuidanceSkipped("unetNotRun")


def is_deep_cache(wrapper: UNetWrapper | None) -> bool:
    """Whether what wraps the UNet's calls is DeepCache's, which goes by the name of its node in several packs.

    Every few calls it computes all of the UNet. The calls between get the deep features of that one, whichever prompts
    it had: an error where these were two, a wrong answer where it was one.
    """
    name = getattr(wrapper, "__qualname__", type(wrapper).__qualname__)
    return re.search("deep_?cache", name, re.IGNORECASE) is not None


def is_pure_noise(sigma: float, model_sampling: ModelSampling) -> bool:
    """Whether nothing of x0 is in the latent at `sigma`: at 1 of a flow model, x = sigma * noise + (1 - sigma) * x0."""
    if abs(sigma - 1) > LEAST_X0:
        return False
    share = model_sampling.noise_scaling(torch.tensor([sigma]), torch.zeros(1), torch.ones(1))
    return float(share) < LEAST_X0
