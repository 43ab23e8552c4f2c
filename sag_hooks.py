"""When self-attention guidance is computed, and who owns what is recorded: the hooks that ComfyUI calls.

One evaluation of the denoiser goes through three hooks of one `DelayedSAG`:
    1. `around_evaluation` opens an `Evaluation` before the UNet runs and closes it after;
    2. `AttentionRecorder`, in the UNet's middle block, notes queries and keys in the open evaluation;
    3. `guide`, after the host's CFG, turns them into a mask and steers, if sigma lies in the window.
The evaluation lives in the run's own `transformer_options`, which ComfyUI copies for every run and drops at its end.
Nothing recorded can reach another run, another thread or a later step, whatever fails in between.

Hosts before 0.3.7 have no place for the first hook and copy no options. There the evaluation hangs on the sigma tensor
that the host makes for it and hands to the other two hooks, and dies with that tensor.
"""

from __future__ import annotations

import functools
import importlib.util
import inspect
import logging
import uuid
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch

from .sag_core import SMALLEST_SIDE, AttentionBlend, SigmaWindow, attention_received, degrade

NAME = "SAG delayed activation"
NEGATIVE = 1  # its place in transformer_options["cond_or_uncond"], for most guiders
MIDDLE = ("middle", 0)  # the host's name of the UNet's middle block in patches_replace
FIRST_TRANSFORMER = 0
THRESHOLD = 1.0  # columns of a softmax average exactly 1: above it means attended more than average

Conds = list[dict[str, Any]]


class PassedOver(Exception):
    """Guidance cannot act on this evaluation; the message says why."""


class Chunk(NamedTuple):
    """One prompt's share of one UNet call, as the middle block's first self-attention saw it."""

    q: torch.Tensor  # [prompts * B, tokens, heads * dim], of all prompts in the call
    k: torch.Tensor
    heads: int
    number: int  # which share of the call is this prompt's
    shares: int  # how many prompts the call evaluated
    grid: tuple[int, int]  # rows and columns of tokens

    def attention(self, batch: int) -> torch.Tensor:
        """Attention received by each token of this prompt: [batch, 1, rows, columns], float32."""
        rows, columns = self.grid
        fits = self.q.shape[0] == self.shares * batch and rows * columns == self.q.shape[1] == self.k.shape[1]
        if not fits:
            raise PassedOver(f"attention of shape {tuple(self.q.shape)} does not fit a {rows}x{columns} map")
        own = slice(self.number * batch, (self.number + 1) * batch)
        return attention_received(self.q[own], self.k[own], self.heads).view(batch, 1, rows, columns)


class Key(NamedTuple):
    """What a chunk was evaluated for."""

    prompt: uuid.UUID | None  # None on hosts before 0.3.7, which do not tell prompts apart
    place: int  # in transformer_options["cond_or_uncond"]
    crop: tuple[int, int]  # height and width of the latent that the UNet was given


class Evaluation:
    """What one evaluation of the denoiser recorded. Open only while the host evaluates the prompts themselves."""

    def __init__(
        self, x: torch.Tensor | None = None, sigma: torch.Tensor | None = None, conds: list[Conds | None] | None = None
    ) -> None:
        """Hosts before 0.3.7 say nothing of what they evaluate: x and sigma are None, conds are empty there."""
        self.x, self.sigma, self.conds = x, sigma, conds or []
        self.chunks: dict[Key, Chunk] = {}
        self.open = True

    @classmethod
    def on(cls, sigma: torch.Tensor, key: str) -> Evaluation:
        """The evaluation that hangs on `sigma`. Once closed it stays there, so that nothing is recorded twice."""
        if not hasattr(sigma, key):
            setattr(sigma, key, cls())
        return getattr(sigma, key)

    def covers(self, x: torch.Tensor) -> bool:
        """Whether it saw the whole latent that the post-CFG function is asked about."""
        return self.x is x or self.x is None

    def close(self) -> None:
        self.open = False
        self.chunks.clear()

    def includes(self, x: torch.Tensor, sigma: torch.Tensor, conds: list[Conds | None]) -> bool:
        """Whether this call of the UNet is another node's, made inside this evaluation, rather than the next one.

        The host makes a new sigma tensor for every evaluation and hands the same one to every hook inside it.
        """
        same_prompts = len(conds) == len(self.conds) and all(a is b for a, b in zip(conds, self.conds, strict=True))
        return sigma is self.sigma and (x is self.x or not same_prompts)

    def record(self, q: torch.Tensor, k: torch.Tensor, options: dict[str, Any]) -> None:
        """Note one call of the attention. The first record of a key counts: SVD's temporal attention comes second."""
        if not self.open:
            return
        places, crop = options["cond_or_uncond"], tuple(options["original_shape"][-2:])
        prompts = options.get("uuids", [None] * len(places))
        for number, (place, prompt) in enumerate(zip(places, prompts, strict=True)):
            chunk = Chunk(q, k, options["n_heads"], number, len(places), token_grid(options, q.shape[1]))
            self.chunks.setdefault(Key(prompt, place, crop), chunk)

    def place_of(self, uncond: Conds, cond: Conds | None) -> int:
        """The negative's place: where its list stood among those evaluated.

        Where a node handed copies on, a prompt of its own tells: region twins carry the other side's uuid.
        """
        if self.x is None:
            return NEGATIVE
        for place, prompts in enumerate(self.conds):
            if prompts is uncond:
                return place
        own = {c["uuid"] for c in uncond} - {c["uuid"] for c in cond or []}
        places = {key.place for key in self.chunks if key.prompt in own}
        if len(places) != 1:
            raise PassedOver("the UNet did not run the negative prompt")
        return places.pop()


class ExtraPass:
    """Stands in the evaluation's place while this node evaluates the degraded latent: counts, records nothing."""

    def __init__(self) -> None:
        self.calls = 0

    def includes(self, *_: Any) -> bool:
        return True

    def record(self, *_: Any) -> None:
        self.calls += 1


class Part(NamedTuple):
    """Where, and how strongly, one prompt counts in the prediction."""

    prompt: dict[str, Any]
    weight: torch.Tensor  # [B, 1, height, width] of the prompt's area
    top: int
    left: int


def active_parts(prompts: Conds, x: torch.Tensor, sigma: torch.Tensor) -> Iterator[Part]:
    """The prompts that are active at `sigma`, placed and weighted by the host's own rule."""
    import comfy.samplers

    remainder = torch.ones_like(x[:, :1])  # what default prompts take: the part of the frame no other took
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
        yield Part(prompt, weight, top, left)


def token_grid(options: dict[str, Any], tokens: int) -> tuple[int, int]:
    """Rows and columns of the attention's tokens, from what the host says.

    Hosts before 0.3.28 do not say it; there a UNet halves each side, rounding up, until `tokens` are left.
    """
    if "activations_shape" in options:
        rows, columns = options["activations_shape"][-2:]
        return rows, columns
    rows, columns = options["original_shape"][-2:]
    while rows * columns > tokens:
        rows, columns = (rows + 1) // 2, (columns + 1) // 2
    return rows, columns


def host_attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, options: dict[str, Any]) -> torch.Tensor:
    """The host's own attention backend, with the arguments that the host would have passed."""
    from comfy.ldm.modules import attention

    backend = attention.optimized_attention  # looked up when called: packs may swap it
    known = inspect.signature(backend).parameters
    takes_any = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in known.values())
    offered = {"attn_precision": options.get("attn_precision"), "transformer_options": options}
    accepted = {name: value for name, value in offered.items() if takes_any or name in known}
    return backend(q, k, v, options["n_heads"], **accepted)


@functools.cache
def wrappers_exist() -> bool:
    """Whether the host, 0.3.7 or newer, tells when it evaluates prompts, which ones, and in which run."""
    return importlib.util.find_spec("comfy.patcher_extension") is not None


@dataclass(frozen=True)
class AttentionRecorder:
    """The attn1 replace: notes queries and keys for the evaluation under way, and computes what was there before."""

    key: str
    previous: Callable[..., torch.Tensor] | None

    def __call__(
        self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, extra_options: dict[str, Any]
    ) -> torch.Tensor:
        scope = extra_options.get(self.key)
        if scope is None and not wrappers_exist():
            scope = Evaluation.on(extra_options["sigmas"], self.key)
        if scope is not None and extra_options.get("block_index", FIRST_TRANSFORMER) == FIRST_TRANSFORMER:
            scope.record(q, k, extra_options)
        return (self.previous or host_attention)(q, k, v, extra_options)


@dataclass
class RunCounts:
    """What one node did in one run, for the line in the log."""

    window: SigmaWindow
    sigmas: list[float] = field(default_factory=list)
    acted: list[float] = field(default_factory=list)
    extra_calls: int = 0
    passed_over: Counter[str] = field(default_factory=Counter)

    def log(self) -> None:
        """One line: what was done, or a warning that says why nothing was."""
        if self.acted:
            logging.info("%s", self.summary())
        elif self.sigmas:
            logging.warning("%s", self.summary())

    def summary(self) -> str:
        line = f"{NAME}: acted on {len(self.acted)} of {len(self.sigmas)} model evaluations"
        if self.acted:
            line += f", from sigma {max(self.acted):.4g} to {min(self.acted):.4g}, {self.extra_calls} extra UNet calls"
        elif not self.passed_over:
            line += (
                f": none lay in the window from {self.window.start:g} to {self.window.end:g}, "
                f"sampled were {max(self.sigmas):.4g} to {min(self.sigmas):.4g}"
            )
        if self.passed_over:
            reasons = "; ".join(f"{n} because {why}" for why, n in self.passed_over.most_common())
            line += f"; passed over {self.passed_over.total()} in the window: {reasons}"
        return line


class Run:
    """Lives in the run's own model_options and logs when they die, also after an error or an interrupt."""

    def __init__(self, window: SigmaWindow) -> None:
        self.counts = RunCounts(window)
        weakref.finalize(self, self.counts.log).atexit = False

    def __deepcopy__(self, _: dict[int, Any]) -> Run:
        """A clone counts for itself. Hosts before 0.3.7 keep this on the MODEL, where it logs once for all runs."""
        return Run(self.counts.window)


@dataclass(frozen=True)
class DelayedSAG:
    """Self-attention guidance inside a sigma window. Immutable: clones and threads may share it.

    `key` names this node's entries in the run's options, so that several of these nodes do not meet.
    """

    scale: float
    blur_sigma: float
    window: SigmaWindow
    key: str

    def install(self, model: Any) -> None:
        """Register the three hooks on `model`, a ModelPatcher that is the caller's own clone."""
        options = model.model_options
        present = options.get("transformer_options", {}).get("patches_replace", {}).get("attn1", {})
        # Under the block's own key another node's pass (PAG) can still replace the recorder for a moment;
        # under the transformer's key it could not, so that one is taken only where it is taken already.
        blocks = [MIDDLE] + [block for block in [(*MIDDLE, FIRST_TRANSFORMER)] if block in present]
        for block in blocks:
            model.set_model_attn1_replace(AttentionRecorder(self.key, present.get(block)), *block)
        if wrappers_exist():
            from comfy.patcher_extension import WrappersMP, add_wrapper_with_key

            # Not on the patcher: a wrapper there makes the host reload the model (clone_has_same_weights counts them).
            kind = WrappersMP.CALC_COND_BATCH
            add_wrapper_with_key(kind, self.key, self.around_evaluation, options, is_model_options=True)
        model.set_model_sampler_post_cfg_function(self.guide)

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
        evaluation = options[self.key] = Evaluation(x, sigma, conds)
        try:
            return executor(model, conds, x, sigma, model_options)
        finally:
            evaluation.open = False

    def guide(self, args: dict[str, Any]) -> torch.Tensor:
        """Post-CFG: `denoised + scale * (degraded - sag)` inside the window, the host's own result elsewhere."""
        run = self.run_counts(args["model_options"])
        evaluation = self.evaluation_of(args)
        sigma = float(args["sigma"].max())
        run.sigmas.append(sigma)
        try:
            if sigma not in self.window:
                return args["denoised"]
            place, mask = self.negative_mask(evaluation, args)
            difference, calls = self.evaluate_degraded(place, mask, args)
        except PassedOver as why:
            run.passed_over[str(why)] += 1
            return args["denoised"]
        finally:
            if evaluation is not None:
                evaluation.close()
        run.acted.append(sigma)
        run.extra_calls += calls
        return args["denoised"] + self.scale * difference

    def evaluation_of(self, args: dict[str, Any]) -> Evaluation | None:
        """What was recorded for these post-CFG arguments; None where the host went around `around_evaluation`."""
        if not wrappers_exist():
            return Evaluation.on(args["sigma"], self.key)
        return args["model_options"]["transformer_options"].get(self.key)

    def run_counts(self, model_options: dict[str, Any]) -> RunCounts:
        """This node's counts in the run that `model_options` belong to."""
        name = f"{self.key} run"
        if name not in model_options:
            model_options[name] = Run(self.window)
        return model_options[name].counts

    def negative_mask(self, evaluation: Evaluation | None, args: dict[str, Any]) -> tuple[int, torch.Tensor]:
        """The negative's place, and where its attention is above average: boolean [B, 1, h, w]."""
        x, uncond = args["input"], args["uncond"]
        if not uncond:
            raise PassedOver("no negative prompt was evaluated (cfg 1, or a guider without one)")
        if min(x.shape[-2:]) < SMALLEST_SIDE:
            raise PassedOver(f"a latent of {x.shape[-2]}x{x.shape[-1]} is too small to blur")
        if evaluation is None or not evaluation.covers(x):
            raise PassedOver("the host evaluated the latent in parts (context windows)")
        if not evaluation.chunks:
            raise PassedOver(why_nothing_was_recorded(args["model_options"]))
        place, blend = evaluation.place_of(uncond, args["cond"]), AttentionBlend(x)
        seen: set[Key] = set()
        for part in active_parts(uncond, x, args["sigma"]):
            key = Key(part.prompt.get("uuid"), place, tuple(part.weight.shape[-2:]))
            if key in seen and key.prompt is None:
                raise PassedOver("ComfyUI before 0.3.7 does not tell several negatives of one size apart")
            chunk = evaluation.chunks.get(key)
            if chunk is not None:
                blend.add(chunk.attention(x.shape[0]), part.weight, part.top, part.left)
                seen.add(key)
            elif part.weight.any():
                raise PassedOver("the UNet did not run all of the negative prompt")
        if not seen:
            raise PassedOver("the negative prompt is not active at this sigma")
        return place, blend.above(THRESHOLD)

    def evaluate_degraded(self, place: int, mask: torch.Tensor, args: dict[str, Any]) -> tuple[torch.Tensor, int]:
        """`degraded - sag` [B, C, h, w], and the number of UNet calls that it took."""
        import comfy.samplers

        x, x0, sigma, model = args["input"], args["uncond_denoised"], args["sigma"], args["model"]
        degraded = degrade(x0, mask, self.blur_sigma)
        # Noising is linear in x0 for every model_sampling: noising the change alone gives what to add to x,
        # and so the noise in x stays as it is (1 * change for EPS and v-prediction, (1 - sigma) * change for flow).
        change = degraded - x0
        level = sigma.view(-1, *[1] * (x.ndim - 1))
        added = model.model_sampling.noise_scaling(level, torch.zeros_like(change), change)

        extra = ExtraPass()
        options = args["model_options"].copy()
        options["transformer_options"] = {**options["transformer_options"], self.key: extra}
        # uuids of its own, the same in every step: caches that go by uuid never mix this call with the negative's.
        negative = [
            {**c, "uuid": uuid.uuid5(c["uuid"], self.key)} if "uuid" in c else c for c in args["uncond"]
        ]
        # In the negative's place, so that patches which switch by place (IPAdapter) treat it as the negative.
        conds = [None] * place + [negative]
        sag = comfy.samplers.calc_cond_batch(model, conds, x + added, sigma, options)[place]
        return degraded - sag, extra.calls


def why_nothing_was_recorded(model_options: dict[str, Any]) -> str:
    """Names the node that took the block's attention away, if one did."""
    replaces = model_options["transformer_options"].get("patches_replace", {}).get("attn1", {})
    for block in ((*MIDDLE, FIRST_TRANSFORMER), MIDDLE):
        patch = replaces.get(block)
        if patch is not None and not isinstance(patch, AttentionRecorder):
            return f"{getattr(patch, '__module__', type(patch).__module__)} replaced the middle block's attention"
    return "the UNet did not run (a cache skipped it)"


def has_middle_attention(model: Any) -> bool:
    """Whether the ModelPatcher's network is a UNet with self-attention in its middle block."""
    middle = getattr(model.get_model_object("diffusion_model"), "middle_block", None)
    return middle is not None and any(len(getattr(m, "transformer_blocks", ())) for m in middle.modules())
