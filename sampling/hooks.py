"""When guidance acts: the hooks that ComfyUI calls.

One evaluation of the denoiser goes through three hooks:
    1. `around_evaluation` opens an `Evaluation` before the UNet runs and closes it after;
    2. `AttentionRecorder`, in the layer that is read, notes queries and keys in the open evaluation;
    3. `guide`, after the host's CFG, has guidance computed from them and adds it, if sigma lies in the window.
`around_run` goes round all evaluations of one sampling run, `around_unet_call` round each call of the UNet.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from ..sag_core import fade_span, fade_weight, rescale_guidance
from .branch import choose_branch
from .cpu_copy import CpuCopy
from .foreign import make_way
from .guidance import FiniteGuidance
from .host_types import Conds, ModelOptions, PostCfgArgs, TransformerOptions
from .masks import MASK_STORE, MaskStore, RunMasks
from .post_cfg import PostCfg
from .prompt_graph import Typed
from .recorder import DegradedPass, Evaluation, UnetCall
from .run import RUN, NodeRun, Run
from .run_log import LastLine, RunLog, say_once_that_runs_are_not_told
from .schedule import percents_of_table
from .self_attention import SelfAttentionGuidance
from .sentences import GuidanceSkipped
from .settings import FULL, Settings

if TYPE_CHECKING:
    from comfy.model_base import BaseModel
    from comfy.model_patcher import ModelPatcher
    from comfy.patcher_extension import WrapperExecutor
    from comfy.samplers import Sampler

SMALLEST_FADE = 1e-6  # less counts as 0: sigmas are float32, so a step at the very end of a fade may miss it by that


@dataclass(frozen=True)
class DelayedGuidance:
    """Guidance inside a sigma window. Immutable: clones and threads may share it.

    `key` names this node's data in the run's options, so that several SAG nodes keep theirs apart. `typed` is what the
    node was given, and `last_line` what it said last.
    """

    settings: Settings
    technique: SelfAttentionGuidance
    key: str
    typed: Typed
    last_line: LastLine = field(default_factory=LastLine)

    def install(self, model: ModelPatcher) -> None:
        """Register the hooks on `model`, the caller's own clone."""
        from comfy.patcher_extension import WrappersMP, add_wrapper_with_key

        self.technique.install(model)
        model.set_model_sampler_post_cfg_function(self.guide)
        options: ModelOptions = model.model_options
        options[MASK_STORE] = MaskStore()
        # In the options, not on the patcher: the host counts a patcher's wrappers, and reloads a model that has more.
        for kind, wrapper in (
            (WrappersMP.OUTER_SAMPLE, self.around_run),
            (WrappersMP.CALC_COND_BATCH, self.around_evaluation),
            (WrappersMP.APPLY_MODEL, self.around_unet_call),
        ):
            add_wrapper_with_key(kind, self.key, wrapper, options, is_model_options=True)

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
        """The run's latent [B, C, h, w], from `noise` and `latent_image` of that shape and `sigmas` [steps + 1].

        All SAG nodes of a run share one `Run`. The outermost node begins it, and ends it even if the sampling fails;
        that error is passed on. The other nodes, and samplings that are nested in it, find it under way and join it.
        """
        guider = executor.class_obj
        run_options: ModelOptions = guider.model_options  # this run's own copy
        under_way: Run | None = run_options.get(RUN)
        if under_way is not None:
            under_way.join(self.key, self.settings.window, self.typed, self.last_line)
            return executor(noise, latent_image, sampler, sigmas, *args, **options)
        model_sampling = guider.model_patcher.get_model_object("model_sampling")
        run = run_options[RUN] = Run(sigmas.tolist(), latent_image, float(model_sampling.sigma_max))
        run.percents = percents_of_table(model_sampling)
        run.join(self.key, self.settings.window, self.typed, self.last_line)
        latent: torch.Tensor | None = None
        try:
            latent = executor(noise, latent_image, sampler, sigmas, *args, **options)
            return latent
        finally:
            run_options.pop(RUN, None)  # another node may have taken it away
            run.end(latent, run_options[MASK_STORE])

    def around_unet_call(self, executor: WrapperExecutor, *args: Any, **options: Any) -> torch.Tensor:
        """The UNet's output [prompts * B, C, h, w]. The call has options of its own, and what it records is kept apart.

        What is called inside it, for the same evaluation, records into it, too.
        """
        given = next((each for each in (*args, *options.values()) if is_transformer_options(each)), None)
        if given is None or isinstance(given.get(self.key), UnetCall):
            return executor(*args, **options)
        own: TransformerOptions = given.copy()
        foreign = make_way(own, self.technique.layer, executor.class_obj.diffusion_model)
        args = tuple(own if each is given else each for each in args)
        options = {name: own if each is given else each for name, each in options.items()}
        evaluation: Evaluation | DegradedPass | None = given.get(self.key)
        if evaluation is None:
            return executor(*args, **options)
        call = own[self.key] = UnetCall(evaluation, foreign)
        try:
            output: torch.Tensor = executor(*args, **options)
        except BaseException:
            call.recorded.clear()  # whoever keeps the error would keep its tensors
            raise
        evaluation.take(call)
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
        """The host's predictions [B, C, h, w], one for each of `conds`; what is recorded meanwhile is kept with them.

        `x` is the latent [B, C, h, w], `sigma` [B]. If the UNet fails, nothing is kept, and the error is passed on.
        What another node evaluates inside this evaluation opens no new one.
        """
        options = model_options["transformer_options"]
        last: Evaluation | DegradedPass | UnetCall | None = options.get(self.key)
        if last is not None and last.includes(x, sigma, conds):
            return executor(model, conds, x, sigma, model_options)
        evaluation = options[self.key] = Evaluation(x, sigma, conds, self.technique.wanted_cond_index(conds))
        try:
            predictions = executor(model, conds, x, sigma, model_options)
        except BaseException:
            evaluation.close()  # nobody will ask for it, and whoever keeps the error would keep its tensors
            raise
        evaluation.open = False
        evaluation.predictions = list(predictions)  # a list of its own: pre-CFG functions may change the host's
        return predictions

    def guide(self, args: PostCfgArgs) -> torch.Tensor:
        """Post-CFG: `denoised + scale * guidance` [B, C, h, w] inside the window, else `denoised`, the host's own.

        `PostCfg` says what is in `args`. GuidanceSkipped ends here: the reason goes into the run's line.
        """
        post = PostCfg.of(args)
        node = self.node_run(post)
        evaluation = self.evaluation_of(post)
        sigma = sigma_on_cpu(evaluation, post)
        node.log.sigmas.append(sigma)
        try:
            if sigma not in self.settings.window:
                return post.denoised
            strength = self.settings.scale * self.fade_at(sigma, node, post)
            guidance = self.guidance_for(node, evaluation, sigma, post)
        except GuidanceSkipped as why:
            node.log.skipped[node.log.newest] = why.reason
            return post.denoised
        finally:
            if evaluation is not None:
                evaluation.close()
        node.acted(sigma, guidance)
        return post.denoised + self.rescale(strength * guidance.at(sigma), post)

    def evaluation_of(self, post: PostCfg) -> Evaluation | None:
        """The evaluation that `around_evaluation` opened; None if something keeps the host from calling that."""
        found = post.transformer_options.get(self.key)
        return found if isinstance(found, Evaluation) else None

    def node_run(self, post: PostCfg) -> NodeRun:
        """What this node keeps for the run under way or, if `around_run` began none, for this evaluation alone."""
        run: Run | None = post.model_options.get(RUN)
        if run is not None and self.key in run.nodes:
            return run.nodes[self.key]
        say_once_that_runs_are_not_told()
        return NodeRun(RunLog(self.settings.window), RunMasks([]), self.typed, self.last_line)

    def guidance_for(
        self, node: NodeRun, evaluation: Evaluation | None, sigma: float, post: PostCfg
    ) -> FiniteGuidance:
        """Guidance for this evaluation: computed for it or, if `every` allows, for an earlier one.

        GuidanceSkipped if it cannot be computed, or if no prompt of the branch is active.
        """
        branch = choose_branch(self.settings.branch, evaluation, post)
        kept = node.reuse(self.settings.every, post.x.shape)
        return node.take(self.technique.compute(branch, evaluation, sigma, post), sigma) if kept is None else kept

    def fade_at(self, sigma: float, node: NodeRun, post: PostCfg) -> float:
        """The share of the scale that the fade leaves, above 0 and up to 1; GuidanceSkipped if it is 0."""
        if self.settings.fade == "none":
            return 1.0
        if node.fade_span is None:
            node.fade_span = self.fade_span(node.masks.schedule, post)
        weight = fade_weight(self.settings.fade, sigma, *node.fade_span)
        if weight < SMALLEST_FADE:
            raise GuidanceSkipped("fadeIs0")
        return weight

    def fade_span(self, schedule: list[float], post: PostCfg) -> tuple[float, float]:
        """Highest and lowest sigma of the fade. Asked for once a run: reading the model's sigmas waits for the GPU."""
        model_sampling = post.model.model_sampling
        largest, smallest = float(model_sampling.sigma_max), float(model_sampling.sigma_min)
        steps = [s for s in schedule[:-1] if s > 0]  # none if `around_run` began no run
        return fade_span(self.settings.window, (largest, smallest), steps or [largest, smallest])

    def rescale(self, guidance: torch.Tensor, post: PostCfg) -> torch.Tensor:
        """Guidance [B, C, h, w] with the setting `rescale` applied."""
        if self.settings.rescale == 0:
            return guidance
        base = post.denoised if self.settings.rescale_mode == FULL else post.cond_denoised
        return rescale_guidance(guidance, base, post.cond_denoised, self.settings.rescale)


def is_transformer_options(given: Any) -> bool:
    """Whether an argument of a UNet call is its transformer options: these alone hold the recorders."""
    return isinstance(given, dict) and "patches_replace" in given


def sigma_on_cpu(evaluation: Evaluation | None, post: PostCfg) -> float:
    """The noise level as a number: from the copy that the evaluation sent ahead, if it has this very sigma."""
    if evaluation is not None and evaluation.is_at(post.sigma):
        return float(evaluation.sigma_copy.tensor().max())
    return float(CpuCopy(post.sigma).tensor().max())
