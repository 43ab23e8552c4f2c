"""When self-attention guidance is computed: the hooks that ComfyUI calls.

One evaluation of the denoiser goes through three hooks of one `DelayedSAG`:
    1. `around_evaluation` opens an `Evaluation` before the UNet runs and closes it after;
    2. `AttentionRecorder`, in the layer that is read, notes queries and keys in the open evaluation;
    3. `guide`, after the host's CFG, turns them into a mask and steers, if sigma lies in the window.
Hosts before 0.3.7 have no place for the first; `sag_recorder` says what stands in for it there.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch

from ..sag_core import SMALLEST_SIDE, AttentionBlend, SigmaWindow, degrade, enlarge, fade_weight, only_finite, rescaled
from .cpu_copy import HostCopy
from .layers import Layer
from .masks import STORE, MaskStore, PackedMask
from .recorder import AttentionRecorder, Chunk, Conds, Evaluation, ExtraPass, Key, PassedOver
from .run import RUN, Guidance, Run, options_keep_wrappers, wrappers_exist

POSITIVE_PLACE, NEGATIVE_PLACE = 0, 1  # in transformer_options["cond_or_uncond"], for most guiders
AUTO, NEGATIVE, POSITIVE = "auto", "negative", "positive"
BRANCHES = [AUTO, NEGATIVE, POSITIVE]
FULL, PARTIAL = "full", "partial"
RESCALE_MODES = [FULL, PARTIAL]
# A prompt with none of these counts everywhere alike, at every sigma.
PLACING = {"area", "mask", "strength", "timestep_start", "timestep_end", "default"}
SMALLEST_FADE = 1e-6  # below it the fade is 0: sigmas are float32, so a step at its very end may miss it by that much
ADVANCED = "SAG delayed activation (advanced)"


@dataclass(frozen=True)
class Settings:
    """What a user sets. The defaults are the basic node's, where it has no input for them."""

    scale: float
    blur_sigma: float
    window: SigmaWindow
    threshold: float = 1.0  # columns of a softmax average exactly 1: above it means attended more than average
    branch: str = NEGATIVE
    fade: str = "none"
    rescale: float = 0.0
    rescale_mode: str = FULL
    every: int = 1


class Part(NamedTuple):
    """Where, and how strongly, one of several prompts counts in the prediction."""

    prompt: dict[str, Any]
    weight: torch.Tensor  # [B, 1, height, width] of the prompt's area
    top: int
    left: int


class Whole(NamedTuple):
    """The only prompt, which counts everywhere alike."""

    prompt: dict[str, Any]


class Subject(NamedTuple):
    """The side of CFG whose attention is read and whose prediction is degraded."""

    role: str
    prompts: Conds
    others: Conds | None  # the other side's
    x0: torch.Tensor  # its prediction [B, C, h, w]
    usual_place: int
    parts: list[Part] | Whole  # its prompts that are active at this sigma


def active_parts(prompts: Conds, x: torch.Tensor, sigma: torch.Tensor) -> list[Part] | Whole:
    """The prompts that are active at `sigma`, placed and weighted by the host's own rule; an empty list where none is.

    Where one counts everywhere alike the host is not asked. It makes a class for every answer, and that took a fifth
    of this node's own time at batch 1 on an H200.
    """
    import comfy.samplers

    if len(prompts) == 1 and not PLACING & prompts[0].keys():
        return Whole(prompts[0])
    parts, remainder = [], torch.ones_like(x[:, :1])  # what default prompts take: the part of the frame no other took
    for prompt in sorted(prompts, key=lambda c: "default" in c):
        active = comfy.samplers.get_area_and_mult(prompt, x, sigma)
        if active is None:
            continue
        height, width, top, left = active.area or (*x.shape[-2:], 0, 0)
        weight = active.mult[:, :1]
        if "default" in prompt:
            weight = remainder.relu()
        else:
            remainder[..., top : top + height, left : left + width] -= weight
        parts.append(Part(prompt, weight, top, left))
    return parts


@dataclass(frozen=True)
class DelayedSAG:
    """Self-attention guidance inside a sigma window. Immutable: clones and threads may share it.

    `key` names this node's entries in the run's options, so that several of these nodes do not meet.
    """

    settings: Settings
    layer: Layer
    key: str

    def install(self, model: Any) -> None:
        """Register the three hooks on `model`, a ModelPatcher that is the caller's own clone."""
        options = model.model_options
        present = options.get("transformer_options", {}).get("patches_replace", {}).get("attn1", {})
        # Under the block's own key another node's pass (PAG) can still replace the recorder for a moment;
        # under the transformer's key it could not, so that one is taken only where it is taken already.
        block, transformer = self.layer.block, self.layer.transformer
        for place in [block] + [own for own in [(*block, transformer)] if own in present]:
            model.set_model_attn1_replace(AttentionRecorder(self.key, transformer, present.get(place)), *place)
        if wrappers_exist():
            from comfy.patcher_extension import WrappersMP, add_wrapper_with_key

            kind = WrappersMP.CALC_COND_BATCH
            # On the patcher only where there is no other way: a wrapper there makes the host reload the model
            # (clone_has_same_weights counts them).
            if options_keep_wrappers():
                add_wrapper_with_key(kind, self.key, self.around_evaluation, options, is_model_options=True)
            else:
                model.add_wrapper_with_key(kind, self.key, self.around_evaluation)
        model.set_model_sampler_post_cfg_function(self.guide)
        options[STORE] = MaskStore()
        options.setdefault(RUN, {})  # for `run_scope`: it stays empty in a MODEL, since every run copies it

    def around_evaluation(
        self,
        executor: Callable[..., list[torch.Tensor]],
        model: Any,
        conds: list[Conds | None],
        x: torch.Tensor,
        sigma: torch.Tensor,
        model_options: dict[str, Any],
    ) -> list[torch.Tensor]:
        """Let the recorder record while the host evaluates the prompts, and only then."""
        options = model_options["transformer_options"]
        last = options.get(self.key)
        if last is not None and last.includes(x, sigma, conds):
            return executor(model, conds, x, sigma, model_options)
        evaluation = options[self.key] = Evaluation(HostCopy(sigma), x, sigma, conds, self.place_asked_for(conds))
        try:
            predictions = executor(model, conds, x, sigma, model_options)
            evaluation.predictions = list(predictions)  # of its own: pre-CFG functions may change the host's
            return predictions
        finally:
            evaluation.open = False

    def place_asked_for(self, conds: list[Conds | None]) -> int | None:
        """Where the prompt that will be read stands, if there are two as in the host's CFG; None where that is open."""
        place = POSITIVE_PLACE if self.settings.branch == POSITIVE else NEGATIVE_PLACE
        return place if len(conds) == 2 and conds[place] is not None else None

    def guide(self, args: dict[str, Any]) -> torch.Tensor:
        """Post-CFG: `denoised + scale * (degraded - sag)` inside the window, the host's own result elsewhere."""
        run, evaluation = Run.of(args, self.key, self.settings.window), self.evaluation_of(args)
        known = evaluation if evaluation is not None and evaluation.is_at(args["sigma"]) else None
        level = HostCopy(args["sigma"]) if known is None else known.level
        sigma = float(level.tensor().max())
        run.counts.sigmas.append(sigma)
        try:
            if sigma not in self.settings.window:
                return args["denoised"]
            strength = self.settings.scale * self.fade_at(sigma, run, args)
            guidance = self.guidance(run, evaluation, sigma, args)
        except PassedOver as why:
            run.counts.passed_over[str(why)] += 1
            return args["denoised"]
        finally:
            if evaluation is not None:
                evaluation.close()
        return args["denoised"] + self.rescaled(strength * guidance.difference, args)

    def evaluation_of(self, args: dict[str, Any]) -> Evaluation | None:
        """What was recorded for these post-CFG arguments; None where the host went around `around_evaluation`."""
        if not wrappers_exist():
            return Evaluation.on(args["sigma"], self.key)
        return args["model_options"]["transformer_options"].get(self.key)

    def fade_at(self, sigma: float, run: Run, args: dict[str, Any]) -> float:
        """What the fade leaves of the scale, above 0 to 1."""
        if self.settings.fade == "none":
            return 1.0
        schedule = run.masks.schedule()
        if schedule is None:
            model_sampling = args["model"].model_sampling
            sampled = [float(model_sampling.sigma_max), float(model_sampling.sigma_min)]
            run.counts.remark = "ComfyUI before 0.3.11 does not tell the schedule, so the fade spans the model's sigmas"
        else:
            sampled = [s for s in schedule if s > 0]
            if len({s for s in sampled if s in self.settings.window}) == 1:
                return 1.0
        weight = fade_weight(self.settings.fade, sigma, self.settings.window, max(sampled), min(sampled))
        if weight < SMALLEST_FADE:
            raise PassedOver("the fade is 0 there")
        return weight

    def guidance(self, run: Run, evaluation: Evaluation | None, sigma: float, args: dict[str, Any]) -> Guidance:
        """`degraded - sag`, computed or, with `every` above 1, held from an evaluation before."""
        subject = self.subject(args)
        held = run.reuse(self.settings.every, args["input"].shape)
        if held is not None:
            run.acted(sigma, held, reused=True)
            return held.at(sigma)
        evaluation = self.recorded(evaluation, args)
        place = self.place(subject, evaluation)
        mask = self.mask(subject, place, evaluation.chunks(), args["input"])
        if evaluation.predictions:
            # The model's own, as the second look will be. A pre-CFG function (Skimmed CFG) may have replaced x0 since.
            subject = subject._replace(x0=evaluation.predictions[place])
        difference, calls = self.evaluate_degraded(subject, place, mask, args)
        difference, finite = only_finite(difference)
        computed = Guidance(difference, PackedMask(mask), HostCopy(finite), sigma)
        if self.settings.every > 1:
            run.hold(computed)
        run.counts.extra_calls += calls
        run.acted(sigma, computed, reused=False)
        return computed

    def subject(self, args: dict[str, Any]) -> Subject:
        """The side that `branch` asks for; for `auto` the negative, or the positive where no negative was evaluated."""
        x, sigma, cond, uncond = args["input"], args["sigma"], args["cond"], args["uncond"]
        if self.settings.branch != POSITIVE:
            parts = active_parts(uncond or [], x, sigma)
            if parts:
                return Subject(NEGATIVE, uncond, cond, args["uncond_denoised"], NEGATIVE_PLACE, parts)
            if self.settings.branch == NEGATIVE:
                missing = "the negative prompt is not active at this sigma" if uncond else (
                    "no negative prompt was evaluated (cfg 1, or a guider without one)"
                )  # fmt: skip
                raise PassedOver(f"{missing}; branch auto of {ADVANCED} takes the positive there")
        parts = active_parts(cond or [], x, sigma)
        if not parts:
            raise PassedOver("the positive prompt is not active at this sigma")
        return Subject(POSITIVE, cond, uncond, args["cond_denoised"], POSITIVE_PLACE, parts)

    def recorded(self, evaluation: Evaluation | None, args: dict[str, Any]) -> Evaluation:
        """The evaluation that the mask can be made of."""
        x = args["input"]
        if min(x.shape[-2:]) < SMALLEST_SIDE:
            raise PassedOver(f"a latent of {x.shape[-2]}x{x.shape[-1]} is too small to blur")
        if evaluation is None:
            raise PassedOver("the prompts were evaluated in a way that is hidden from this node")
        if not evaluation.covers(x):
            raise PassedOver("the host evaluated the latent in parts (context windows)")
        if not evaluation.calls:
            raise PassedOver(self.why_nothing_was_recorded(args["model_options"]))
        return evaluation

    def mask(self, subject: Subject, place: int, chunks: dict[Key, Chunk], x: torch.Tensor) -> torch.Tensor:
        """Where the attention of the subject, at that place, is above `threshold`: boolean [B, 1, h, w]."""
        not_run = f"the UNet did not run all of the {subject.role} prompt"
        if isinstance(subject.parts, Whole):
            chunk = chunks.get(Key(subject.parts.prompt.get("uuid"), place, (x.shape[-2], x.shape[-1])))
            if chunk is None:
                raise PassedOver(not_run)
            return enlarge(chunk.attention(x.shape[0]), *x.shape[-2:]) > self.settings.threshold
        blend, seen = AttentionBlend(x, self.settings.threshold), set()
        for prompt, weight, top, left in subject.parts:
            height, width = weight.shape[-2:]
            key = Key(prompt.get("uuid"), place, (height, width))
            if key in seen and key.prompt is None:
                raise PassedOver(f"ComfyUI before 0.3.7 does not tell several {subject.role}s of one size apart")
            chunk = chunks.get(key)
            if chunk is not None:
                blend.add(chunk.attention(x.shape[0]), weight, top, left)
                seen.add(key)
            elif weight.any():
                raise PassedOver(not_run)
        if not seen:
            raise PassedOver(f"the {subject.role} prompt has no weight at this sigma")
        return blend.mask()

    def place(self, subject: Subject, evaluation: Evaluation) -> int:
        """Where the subject's prompts stood among those that were evaluated."""
        if wrappers_exist():
            place = evaluation.place_of(subject.prompts, subject.others)
            if place is None:
                raise PassedOver(f"the UNet did not run the {subject.role} prompt")
            return place
        if any(key.place > NEGATIVE_PLACE for key in evaluation.chunks()):
            which = f"which of a guider's three prompts is the {subject.role}"
            raise PassedOver(f"ComfyUI before 0.3.7 does not say {which}")
        return subject.usual_place

    def evaluate_degraded(
        self, subject: Subject, place: int, mask: torch.Tensor, args: dict[str, Any]
    ) -> tuple[torch.Tensor, int]:
        """`degraded - sag` [B, C, h, w], and the number of UNet calls that it took."""
        import comfy.samplers

        x, x0, sigma, model = args["input"], subject.x0, args["sigma"], args["model"]
        degraded = degrade(x0, mask, self.settings.blur_sigma)
        # Noising is linear in x0 for every model_sampling: noising the change alone gives what to add to x,
        # and so the noise in x stays as it is (1 * change for EPS and v-prediction, (1 - sigma) * change for flow).
        change = degraded - x0
        level = sigma.view(-1, *[1] * (x.ndim - 1))
        added = model.model_sampling.noise_scaling(level, torch.zeros_like(change), change)

        extra = ExtraPass()
        options = args["model_options"].copy()
        options["transformer_options"] = {**options["transformer_options"], self.key: extra}
        # uuids of its own, the same in every step: caches that go by uuid never mix this call with the prompt's own.
        prompts = [{**c, "uuid": uuid.uuid5(c["uuid"], self.key)} if "uuid" in c else c for c in subject.prompts]
        # In the prompt's own place, so that patches which switch by place (IPAdapter) treat it as what it is.
        conds = [None] * place + [prompts]
        sag = comfy.samplers.calc_cond_batch(model, conds, x + added, sigma, options)[place]
        return degraded - sag, extra.recorded

    def rescaled(self, guidance: torch.Tensor, args: dict[str, Any]) -> torch.Tensor:
        """Guidance [B, C, h, w] with the setting `rescale` applied."""
        if self.settings.rescale == 0:
            return guidance
        cond = args["cond_denoised"]
        base = args["denoised"] if self.settings.rescale_mode == FULL else cond
        return rescaled(guidance, base, cond, self.settings.rescale)

    def why_nothing_was_recorded(self, model_options: dict[str, Any]) -> str:
        """Names the node that took the layer's attention away, if one did."""
        replaces = model_options["transformer_options"].get("patches_replace", {}).get("attn1", {})
        for block in ((*self.layer.block, self.layer.transformer), self.layer.block):
            patch = replaces.get(block)
            if patch is not None and not isinstance(patch, AttentionRecorder):
                by = getattr(patch, "__module__", type(patch).__module__)
                stage = self.layer.block[0]
                return (
                    f"{by} replaced the {stage} block's attention (layer {self.layer.name}); "
                    f"another layer of {ADVANCED} may do"
                )
        return "the UNet did not run (a cache skipped it)"
