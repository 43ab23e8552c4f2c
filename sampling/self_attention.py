"""What self-attention guidance does in an evaluation: the mask, the degraded latent, the second look at it.

It knows nothing of the window, the fade, rescale, every or the log: it gives `Guidance`. So another kind of guidance is
another class with the same three methods, `install`, `wanted_cond_index` and `compute`.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from ..sag_core import SMALLEST_SIDE, AttentionBlend, degrade, detail_taken, upsample_nearest
from .branch import Branch, usual_cond_index
from .guidance import Guidance
from .host import HostAttention
from .host_types import Conds, Prompt, TransformerOptions
from .layers import Layer, transformers_beside
from .post_cfg import PostCfg
from .recorder import AttentionRecorder, DegradedPass, Evaluation, PromptAttention, PromptKey
from .sentences import GuidanceSkipped, Phrase
from .settings import Settings

if TYPE_CHECKING:
    from comfy.model_patcher import ModelPatcher

LEAST_X0 = 1e-3  # share of x0 in a latent; with less, the model would not see that x0 was changed


@dataclass(frozen=True)
class SelfAttentionGuidance:
    """Self-attention guidance by one layer of the UNet.

    `key` names this node's data in the run's options, so that several SAG nodes keep theirs apart.
    """

    settings: Settings
    layer: Layer
    key: str

    def install(self, model: ModelPatcher) -> None:
        """Register the recorder on `model`, the caller's own clone."""
        present = model.model_options.get("transformer_options", {}).get("patches_replace", {}).get("attn1", {})
        # For a pass of its own, another node (PAG) puts its patch under the block's key. A recorder under the
        # transformer's key, which the host asks first, would shut it out: it goes there only if that is taken already.
        block, transformer = self.layer.block, self.layer.transformer
        hosts_own = HostAttention.of(transformers_beside(model.get_model_object("diffusion_model"), self.layer))
        for address in [block] + [own for own in [(*block, transformer)] if own in present]:
            recorder = AttentionRecorder(self.key, transformer, present.get(address, hosts_own))
            model.set_model_attn1_replace(recorder, *address)

    def wanted_cond_index(self, conds: list[Conds | None]) -> int | None:
        """The cond_index of that side of `conds` which will be read; None if it cannot be known before."""
        return usual_cond_index(self.settings.branch, conds)

    def compute(self, branch: Branch, evaluation: Evaluation | None, sigma: float, post: PostCfg) -> Guidance:
        """Guidance, `degraded - sag`, from what was recorded in `evaluation`; GuidanceSkipped if it cannot be made."""
        evaluation = self.usable(evaluation, post)
        if is_pure_noise(sigma, post.model.model_sampling):
            raise GuidanceSkipped("pureNoise")
        index = branch.cond_index(evaluation)
        mask = self.mask(branch, index, evaluation.by_prompt(), post.x)
        # The model's own, as sag will be: a pre-CFG function (Skimmed CFG) may have given CFG another one.
        x0 = evaluation.predictions[index] if evaluation.predictions else branch.x0
        degraded = degrade(x0, mask, self.settings.blur_sigma)
        sag, unet_calls = self.evaluate_degraded(degraded - x0, branch.prompts, index, post)
        detail = self.settings.detail * detail_taken(x0, degraded) if self.settings.detail else None
        return Guidance(falling=degraded - sag, staying=detail, mask=mask, unet_calls=unet_calls)

    def usable(self, evaluation: Evaluation | None, post: PostCfg) -> Evaluation:
        """The evaluation, if a mask can be made from it; else GuidanceSkipped."""
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
            raise self.nothing_recorded(evaluation.foreign, post.transformer_options)
        self.skip_if_foreign(evaluation.foreign)
        return evaluation

    def mask(
        self, branch: Branch, cond_index: int, recorded: dict[PromptKey, PromptAttention], x: torch.Tensor
    ) -> torch.Tensor:
        """Where the branch's attention is above `threshold`: boolean [B, 1, h, w] for the latent `x`.

        GuidanceSkipped if no prompt has a weight, or if the attention of one that has was not recorded or does not fit.
        """
        batch, height, width = x.shape[0], *x.shape[-2:]
        blend = None
        for prompt, weight, top, left in branch.regions:
            rows, columns = (height, width) if weight is None else weight.shape[-2:]
            attention = recorded.get(PromptKey(prompt["uuid"], cond_index, (rows, columns)))
            if attention is None:
                if weight is None or weight.any():
                    raise GuidanceSkipped("promptNotAllRun", role=Phrase(branch.role))
                continue
            received = attention.received(batch).to(x.device)  # another GPU may have evaluated this prompt
            if weight is None:  # it stands alone, so there is nothing to blend it with
                return upsample_nearest(received, height, width) > self.settings.threshold
            blend = blend or AttentionBlend(x, self.settings.threshold)
            blend.add(received, weight, top, left)
        if blend is None:
            raise GuidanceSkipped("promptWithoutWeight", role=Phrase(branch.role))
        return blend.mask()

    def evaluate_degraded(
        self, change: torch.Tensor, prompts: Conds, cond_index: int, post: PostCfg
    ) -> tuple[torch.Tensor, int]:
        """sag [B, C, h, w] for `change` = degraded - x0, and the number of UNet calls that it took.

        GuidanceSkipped if a cache answered in place of the UNet.
        """
        import comfy.samplers

        # Noising is linear in x0 for every model_sampling. So it gives, for the change alone and a noise of 0, what to
        # add to x: 1 * change for EPS and v-prediction, (1 - sigma) * change for flow. The noise in x stays as it is.
        model = post.model
        sigma = post.sigma.view(-1, *[1] * (post.x.ndim - 1))
        added = model.model_sampling.noise_scaling(sigma, torch.zeros_like(change), change)

        degraded_pass = DegradedPass()
        options = post.model_options.copy()
        options["transformer_options"] = {**post.transformer_options, self.key: degraded_pass}
        own = [with_own_uuid(prompt, self.key) for prompt in prompts]
        # At the prompts' own cond_index, so that patches that go by it (IPAdapter) know their side.
        conds = [None] * cond_index + [own]
        predictions = comfy.samplers.calc_cond_batch(model, conds, post.x + added, post.sigma, options)
        if not degraded_pass.unet_calls:
            self.skip_if_foreign(degraded_pass.foreign)
            raise GuidanceSkipped("cacheAnswered")
        return predictions[cond_index], degraded_pass.unet_calls

    def nothing_recorded(self, foreign: str, transformer_options: TransformerOptions) -> GuidanceSkipped:
        """Why nothing was recorded: a pack, which it names, computes the layer's attention, or the UNet did not run."""
        replaces = transformer_options.get("patches_replace", {}).get("attn1", {})
        for address in ((*self.layer.block, self.layer.transformer), self.layer.block):
            patch = replaces.get(address)
            if patch is not None and not isinstance(patch, AttentionRecorder):
                module, stage = getattr(patch, "__module__", type(patch).__module__), self.layer.block[0]
                return GuidanceSkipped("replaced", module=module, stage=Phrase(stage), layer=self.layer.name)
        self.skip_if_foreign(foreign)
        return GuidanceSkipped("unetNotRun")

    def skip_if_foreign(self, foreign: str) -> None:
        """GuidanceSkipped if `foreign` names anything: then that computes attention in the layer's block."""
        if foreign:
            raise GuidanceSkipped("foreign", name=foreign, stage=Phrase(self.layer.block[0]), layer=self.layer.name)


def with_own_uuid(prompt: Prompt, by: str) -> Prompt:
    """The prompt with another uuid, made from its own and `by`, and so the same in every step.

    Caches that go by uuid then never mix the calls for this one with those for the prompt itself.
    """
    return {**prompt, "uuid": uuid.uuid5(prompt["uuid"], by)}


def is_deep_cache(wrapper: Callable[..., Any] | None) -> bool:
    """Whether `wrapper`, which goes round the UNet's calls, is DeepCache's. Several packs have it, under that name.

    It runs the whole UNet on every few calls only, and gives the calls between the deep features of the last whole one.
    For the degraded latent, that is an error if that call had two prompts, and a wrong answer if it had one.
    """
    name = getattr(wrapper, "__qualname__", type(wrapper).__qualname__)
    return re.search("deep_?cache", name, re.IGNORECASE) is not None


def is_pure_noise(sigma: float, model_sampling: Any) -> bool:
    """Whether the latent at `sigma` holds no x0, as at 1 in flow models, whose x = sigma * noise + (1 - sigma) * x0."""
    if abs(sigma - 1) > LEAST_X0:
        return False
    share = model_sampling.noise_scaling(torch.tensor([sigma]), torch.zeros(1), torch.ones(1))
    return float(share) < LEAST_X0
