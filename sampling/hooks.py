"""When guidance acts: the hooks that ComfyUI calls.

One evaluation of the denoiser goes through three hooks:
    1. `around_evaluation` opens an `Evaluation` before the UNet runs and closes it after;
    2. `AttentionRecorder`, in the layer that is read, notes queries and keys in the open evaluation;
    3. `guide`, after the host's CFG, has guidance computed of them and adds it, if sigma lies in the window.
Hosts before 0.3.7 have no hook for the first; `Evaluation.under_way` says what stands in for it there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from ..sag_core import fade_span, fade_weight, rescale_guidance, zero_nonfinite
from .branch import choose_branch
from .cpu_copy import CpuCopy
from .host import RUN, add_wrappers, begin_run
from .host_types import BaseModel, Conds, ModelOptions, ModelPatcher, PostCfgArgs, Sampler, WrapperExecutor
from .masks import MASK_STORE, MaskStore, PackedMask
from .page import tell_page
from .post_cfg import PostCfg
from .recorder import Evaluation
from .run import KEYS_UNDER_WAY, CachedGuidance, Run, end_runs, note_given, note_result
from .run_log import RunLog
from .self_attention import SelfAttentionGuidance
from .sentences import GuidanceSkipped, Said
from .settings import FULL, Settings

SMALLEST_FADE = 1e-6  # below it the fade is 0: sigmas are float32, so a step at its very end may miss it by that much


@dataclass(frozen=True)
class DelayedGuidance:
    """Guidance inside a sigma window. Immutable: clones and threads may share it.

    `key` names this node's entries in the run's options, so that several of these nodes do not meet. `shown_on` is the
    page's id of the node on which its runs are told.
    """

    settings: Settings
    technique: SelfAttentionGuidance
    key: str
    shown_on: str | None = None

    def install(self, model: ModelPatcher) -> None:
        """Register the three hooks on `model`, the caller's own clone."""
        self.technique.install(model)
        add_wrappers(model, self.key, self.around_run, self.around_evaluation, self.around_unet_call)
        model.set_model_sampler_post_cfg_function(self.guide)
        options = model.model_options
        options[MASK_STORE] = MaskStore()
        options.setdefault(RUN, {})  # it stays empty in a MODEL, since every run copies it

    def around_run(
        self,
        executor: WrapperExecutor,
        noise: torch.Tensor,
        latent_image: torch.Tensor,
        sampler: Sampler,
        sigmas: torch.Tensor,
        *args: Any,
        **options: Any,
    ) -> torch.Tensor:
        """Note what the run is given and gives, and write the nodes' lines when it ends, whatever ends it."""
        scope = begin_run(executor.class_obj.model_options)  # class_obj is the guider, whose options are the run's own
        note_given(scope, sigmas, latent_image)
        KEYS_UNDER_WAY.add(self.key)
        try:
            output: torch.Tensor = executor(noise, latent_image, sampler, sigmas, *args, **options)
            note_result(scope, output)
            if not Run.began(scope, self.key):
                log = RunLog.unasked(self.settings.window)
                log.write()
                tell_page(self.shown_on, log)
            return output
        finally:
            KEYS_UNDER_WAY.discard(self.key)
            end_runs(scope)

    def around_unet_call(self, executor: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """Keep what the UNet's call recorded, whatever its next call does."""
        output = executor(*args, **options)
        for given in (*args, *options.values()):
            if isinstance(given, dict) and self.key in given:  # its transformer_options
                given[self.key].unet_call_ends()
        return output

    def around_evaluation(
        self,
        executor: Callable[..., list[torch.Tensor]],
        model: BaseModel,
        conds: list[Conds | None],
        x: torch.Tensor,
        sigma: torch.Tensor,
        model_options: ModelOptions,
    ) -> list[torch.Tensor]:
        """Let the recorder record while the host evaluates the prompts, and only then."""
        options = model_options["transformer_options"]
        last = options.get(self.key)
        if last is not None and last.includes(x, sigma, conds):
            return executor(model, conds, x, sigma, model_options)
        wanted = self.technique.wanted_cond_index(conds)
        evaluation = options[self.key] = Evaluation(CpuCopy(sigma), x, sigma, conds, wanted)
        try:
            predictions = executor(model, conds, x, sigma, model_options)
        except BaseException:
            evaluation.close()  # nobody will ask for it, and who holds the error would hold its tensors
            raise
        evaluation.open = False
        evaluation.predictions = list(predictions)  # of its own: pre-CFG functions may change the host's
        return predictions

    def guide(self, args: PostCfgArgs) -> torch.Tensor:
        """Post-CFG: `denoised + scale * guidance` inside the window, the host's own result elsewhere.

        Reads of `args` what `PostCfg` names: latents [B, C, h, w], sigma [B], the prompts of both sides, the model and
        its options.
        """
        post = PostCfg.of(args)
        run = Run.of(post, self.key, self.settings.window, self.shown_on)
        evaluation = Evaluation.under_way(post.transformer_options, post.sigma, self.key)
        sigma = sigma_on_cpu(evaluation, post)
        run.log.sigmas.append(sigma)
        try:
            if sigma not in self.settings.window:
                return post.denoised
            strength = self.settings.scale * self.fade_at(sigma, run, post)
            difference = self.difference(run, evaluation, sigma, post)
        except GuidanceSkipped as why:
            run.log.skipped[run.log.newest] = why.reason
            return post.denoised
        finally:
            if evaluation is not None:
                evaluation.close()
        return post.denoised + self.rescaled(strength * difference, post)

    def fade_at(self, sigma: float, run: Run, post: PostCfg) -> float:
        """What the fade leaves of the scale, above 0 to 1."""
        if self.settings.fade == "none":
            return 1.0
        if run.fade_span is None:
            run.fade_span = self.fade_span(run, post)
        weight = fade_weight(self.settings.fade, sigma, *run.fade_span)
        if weight < SMALLEST_FADE:
            raise GuidanceSkipped("fadeIs0")
        return weight

    def fade_span(self, run: Run, post: PostCfg) -> tuple[float, float]:
        """Highest and lowest sigma of the fade in this run. Asked once a run: the model's sigmas lie on the GPU."""
        model_sampling = post.model.model_sampling
        largest, smallest = float(model_sampling.sigma_max), float(model_sampling.sigma_min)
        steps = [s for s in run.masks.schedule[:-1] if s > 0]
        if not steps:
            steps = [largest, smallest]
            run.log.remark = Said.of("noSchedule")
        return fade_span(self.settings.window, (largest, smallest), steps)

    def difference(self, run: Run, evaluation: Evaluation | None, sigma: float, post: PostCfg) -> torch.Tensor:
        """What scale multiplies [B, C, h, w]: computed or, with `every` above 1, of an evaluation before."""
        branch = choose_branch(self.settings.branch, evaluation, post)
        cached = run.reuse(self.settings.every, post.x.shape)
        if cached is not None:
            run.acted(sigma, cached, reused=True)
            return cached.difference_at(sigma)
        guidance = self.technique.compute(branch, evaluation, sigma, post)
        total = guidance.difference if guidance.detail is None else guidance.difference + guidance.detail
        total, finite = zero_nonfinite(total)
        computed = CachedGuidance(total, PackedMask(guidance.mask), finite, sigma, guidance.detail)
        if self.settings.every > 1:
            run.keep(computed)
        run.log.extra_calls += guidance.unet_calls
        run.acted(sigma, computed, reused=False)
        return total

    def rescaled(self, guidance: torch.Tensor, post: PostCfg) -> torch.Tensor:
        """Guidance [B, C, h, w] with the setting `rescale` applied."""
        if self.settings.rescale == 0:
            return guidance
        base = post.denoised if self.settings.rescale_mode == FULL else post.cond_denoised
        return rescale_guidance(guidance, base, post.cond_denoised, self.settings.rescale)


def sigma_on_cpu(evaluation: Evaluation | None, post: PostCfg) -> float:
    """The noise level as a number, from the copy that the evaluation sent ahead, if it is this one's."""
    if evaluation is not None and evaluation.is_at(post.sigma):
        return float(evaluation.sigma_copy.tensor().max())
    return float(CpuCopy(post.sigma).tensor().max())
