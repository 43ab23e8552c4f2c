"""What is recorded while the UNet runs, and how long it is kept: for one evaluation of the denoiser.

The evaluation under way lives in the run's own `transformer_options`, which the host copies for every run and drops at
its end. So nothing recorded can reach another run, another thread or a later step, whatever fails in between.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch

from ..sag_core import attention_received
from .cpu_copy import CpuCopy
from .host import HostAttention
from .host_types import AttentionOptions, AttentionReplace, Conds
from .sentences import GuidanceSkipped


class PromptKey(NamedTuple):
    """What a UNet call evaluated: a prompt, on the latent or on a crop of it."""

    prompt: uuid.UUID
    cond_index: int  # of the prompt's side of CFG, as in transformer_options["cond_or_uncond"]
    crop: tuple[int, int]  # height and width of the latent that the UNet was given


class PromptAttention(NamedTuple):
    """Queries and keys that the layer was given in one UNet call, and which of their rows are those of one prompt."""

    q: torch.Tensor  # [prompts * B, tokens, heads * dim], of all prompts in the call
    k: torch.Tensor
    heads: int
    place: int  # of this prompt in the call, from 0
    prompt_count: int  # of the call
    grid: tuple[int, int]  # rows and columns of tokens

    def received(self, batch: int) -> torch.Tensor:
        """Attention received by each token of this prompt: [batch, 1, rows, columns], float32.

        GuidanceSkipped if queries and keys are not those of `batch` pictures on this grid.
        """
        rows, columns = self.grid
        shape = tuple(self.q.shape)
        if self.q.shape[1] != rows * columns:
            raise GuidanceSkipped("noSuchMap", shape=str(shape), rows=rows, columns=columns)
        if (keys := self.k.shape[1]) != rows * columns:
            raise GuidanceSkipped("keysChanged", keys=keys, rows=rows, columns=columns)
        if shape[0] != self.prompt_count * batch:
            raise GuidanceSkipped("batchSplit", rows=shape[0], prompts=self.prompt_count, batch=batch)
        own = slice(self.place * batch, (self.place + 1) * batch)
        return attention_received(self.q[own], self.k[own], self.heads).view(batch, 1, rows, columns)


class AttentionCall(NamedTuple):
    """One call of the layer's attention, and what the host said of it.

    Nothing is computed from it before it is needed: every operation delays the UNet, and torch.compile, which traces
    this, can pass a UUID on but not hash it. The host's options are not kept as a whole: they hold the evaluation, and
    such a circle would keep the tensors until Python's garbage collector finds it.
    """

    q: torch.Tensor  # [prompts * B, tokens, heads * dim]
    k: torch.Tensor
    cond_indices: Sequence[int]  # one for each prompt, in the order of their rows
    uuids: Sequence[uuid.UUID]  # of the prompts, in the same order
    heads: int
    latent_shape: Sequence[int]  # [.., h, w] that the UNet was given
    activations_shape: Sequence[int]  # [prompts * B, C, rows, columns] of the tokens
    traced: bool  # by torch.compile: q and k may belong to a CUDA graph, whose next replay overwrites them

    @classmethod
    def of(cls, q: torch.Tensor, k: torch.Tensor, options: AttentionOptions, wanted: int | None) -> AttentionCall:
        """The rows of all prompts or, if only some have the cond_index `wanted`, from the first to the last of these.

        The fewer rows, the better: they are held while the rest of the UNet runs, when memory is at its peak.
        """
        indices, uuids = options["cond_or_uncond"], options["uuids"]
        batch, left_over = divmod(q.shape[0], len(indices))
        # If the rows do not divide, it is not known whose they are. All are kept, and `received` raises the reason.
        if not left_over and wanted in indices and indices.count(wanted) < len(indices):
            first, end = indices.index(wanted), len(indices) - indices[::-1].index(wanted)
            q, k = (t[first * batch : end * batch].clone() for t in (q, k))
            indices, uuids = indices[first:end], uuids[first:end]
        return cls(
            q, k, indices, uuids, options["n_heads"], options["original_shape"], options["activations_shape"],
            torch.compiler.is_compiling(),
        )  # fmt: skip

    def outside_the_graph(self) -> AttentionCall:
        """The same call, with tensors of its own if a CUDA graph may own them."""
        return self._replace(q=self.q.clone(), k=self.k.clone(), traced=False) if self.traced else self

    def by_prompt(self) -> Iterator[tuple[PromptKey, PromptAttention]]:
        """Each prompt of the call with its rows."""
        height, width = self.latent_shape[-2:]
        rows, columns = self.activations_shape[-2:]
        for place, (index, prompt) in enumerate(zip(self.cond_indices, self.uuids, strict=True)):
            key = PromptKey(prompt, index, (height, width))
            yield key, PromptAttention(self.q, self.k, self.heads, place, len(self.uuids), (rows, columns))


def attention_by_prompt(recorded: list[AttentionCall]) -> dict[PromptKey, PromptAttention]:
    """What counts of that which one call of the UNet recorded: of each prompt the last forward's first attention.

    Another node may run the UNet's forward on its own latent first (reference controls do). In the picture's own
    forward, what comes second is SVD's temporal attention, or another node's second look at the same queries.
    """
    found: dict[PromptKey, tuple[Sequence[int], PromptAttention]] = {}
    for attention_call in recorded:
        forward = attention_call.latent_shape  # the host makes a new list for each
        for key, attention in attention_call.by_prompt():
            if key not in found or found[key][0] is not forward:
                found[key] = forward, attention
    return {key: attention for key, (_, attention) in found.items()}


class Evaluation:
    """What one evaluation of the denoiser recorded. It is open only while the host evaluates the prompts."""

    def __init__(
        self, x: torch.Tensor, sigma: torch.Tensor, conds: list[Conds | None], wanted: int | None = None
    ) -> None:
        """What the host is about to evaluate: `conds` on the latent `x` [B, C, h, w], at `sigma` [B].

        `wanted` is the cond_index that will be asked for, if that is known.
        """
        self.x, self.sigma, self.conds, self.wanted = x, sigma, conds, wanted
        self.sigma_copy = CpuCopy(sigma)  # on its way to the CPU before the UNet's work is queued
        self.calls: list[list[AttentionCall]] = []  # what each call of the UNet recorded
        self.foreign = ""  # what else than the host computes the layer's attention, if anything does
        self.predictions: list[torch.Tensor] = []  # by cond_index, [B, C, h, w] each
        self.open = True

    def covers(self, x: torch.Tensor) -> bool:
        """Whether it was made for the whole latent `x` that post-CFG functions are given, and not for a part of it."""
        return self.x is x

    def saw_only(self, prompts: Conds) -> bool:
        """Whether `prompts`, this very list, is all that was evaluated."""
        return len(self.conds) == 1 and self.conds[0] is prompts

    def is_at(self, sigma: torch.Tensor) -> bool:
        """Whether it was made for this very sigma tensor."""
        return self.sigma is sigma

    def close(self) -> None:
        """Record no more, and let go of all tensors."""
        self.open = False
        self.calls.clear()
        self.predictions.clear()

    def includes(self, x: torch.Tensor, sigma: torch.Tensor, conds: list[Conds | None]) -> bool:
        """Whether the host evaluates `conds` inside this evaluation, for another node, or begins a new one with them.

        The host makes a new sigma tensor for every evaluation. The same prompts on another latent begin one, too: then
        a part of the latent is evaluated in place of the whole.
        """
        same_prompts = len(conds) == len(self.conds) and all(a is b for a, b in zip(conds, self.conds, strict=True))
        return sigma is self.sigma and (x is self.x or not same_prompts)

    def take(self, call: UnetCall) -> None:
        """Keep what a call of the UNet recorded, out of the reach of a CUDA graph, before the UNet's next call."""
        self.foreign = self.foreign or call.foreign
        if call.recorded and self.open:
            self.calls.append([attention.outside_the_graph() for attention in call.recorded])

    def by_prompt(self) -> dict[PromptKey, PromptAttention]:
        """What was recorded. If several calls of the UNet evaluated a prompt, the first counts."""
        found: dict[PromptKey, PromptAttention] = {}
        for recorded in self.calls:
            found = attention_by_prompt(recorded) | found
        return found

    def cond_index_of(self, prompts: Conds, others: Conds | None) -> int | None:
        """The cond_index of `prompts`; None if they were not evaluated or cannot be told from those of the other side.

        If another node handed on copies of the lists, only a prompt that is in `prompts` alone can tell: for a prompt
        with a region, the host gives the other side a twin with the same uuid.
        """
        for index, evaluated in enumerate(self.conds):
            if evaluated is prompts:
                return index
        own = {c["uuid"] for c in prompts} - {c["uuid"] for c in others or []}
        indices = {key.cond_index for key in self.by_prompt() if key.prompt in own}
        return indices.pop() if len(indices) == 1 else None


class DegradedPass:
    """Takes the `Evaluation`'s place while this node evaluates the degraded latent: it counts, and keeps nothing."""

    def __init__(self) -> None:
        self.open, self.wanted = False, None  # as in `Evaluation`, for the calls of the UNet
        self.layer_ran: list[bool] = []  # in each call of the UNet: it did not if a cache answered in its stead
        self.foreign = ""  # as in `Evaluation`

    @property
    def unet_calls(self) -> int:
        return sum(self.layer_ran)

    def includes(self, *_: Any) -> bool:
        return True

    def take(self, call: UnetCall) -> None:
        """Count a call of the UNet, now that it is over."""
        self.foreign = self.foreign or call.foreign
        self.layer_ran.append(call.layer_ran)


class UnetCall:
    """What the layer is given in one call of the UNet. It takes the evaluation's place in that call's own options.

    So calls on several GPUs, each in a thread of its own, never meet.
    """

    def __init__(self, evaluation: Evaluation | DegradedPass, foreign: str = "") -> None:
        """`foreign` is what else than the host computes the layer's attention in this call, if anything does."""
        self.evaluation, self.foreign, self.layer_ran = evaluation, foreign, False
        self.recorded: list[AttentionCall] = []

    def includes(self, x: torch.Tensor, sigma: torch.Tensor, conds: list[Conds | None]) -> bool:
        """Whether what the host evaluates belongs to the evaluation that this call is made for."""
        return self.evaluation.includes(x, sigma, conds)

    def record(self, q: torch.Tensor, k: torch.Tensor, options: AttentionOptions) -> None:
        """Note queries and keys, [prompts * B, tokens, heads * dim] each, of one call of the layer's attention."""
        self.layer_ran = True
        if self.evaluation.open:
            self.recorded.append(AttentionCall.of(q, k, options, self.evaluation.wanted))


@dataclass(frozen=True)
class AttentionRecorder:
    """The attn1 replace: notes queries and keys for the evaluation under way, and leaves the attention as it was."""

    key: str  # where the node's evaluation is found in the transformer options
    transformer: int  # the one to read: under the block's own key, the host calls this for all of them
    previous: AttentionReplace  # the replace that was there before, or the host's own attention

    def __call__(
        self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, extra_options: AttentionOptions
    ) -> torch.Tensor:
        """The output of `previous` for q, k and v, [prompts * B, tokens, heads * dim] each: of q's shape."""
        if extra_options.get("block_index", 0) == self.transformer:
            call: UnetCall | None = extra_options.get(self.key)
            if call is not None:
                call.record(q, k, extra_options)
        return self.previous(q, k, v, extra_options)

    @property
    def stands_for_the_host(self) -> bool:
        """Whether no other replace stood here before: then the layer's own forward would be called without this one."""
        previous = self.previous
        if isinstance(previous, AttentionRecorder):
            return previous.stands_for_the_host
        return isinstance(previous, HostAttention)

    # What the host may ask of a replace is handed on to `previous`, if that knows it.

    def to(self, device_or_dtype: torch.device | torch.dtype) -> AttentionRecorder:
        """The recorder to use from then on, whose `previous` has its tensors there."""
        if not hasattr(self.previous, "to"):
            return self
        return replace(self, previous=self.previous.to(device_or_dtype))

    def models(self) -> list[Any]:
        """The models that the host is to load beside this one."""
        return self.previous.models() if hasattr(self.previous, "models") else []

    def cleanup(self) -> None:
        """From 0.17 on, the host calls this after each run of a MODEL."""
        if hasattr(self.previous, "cleanup"):
            self.previous.cleanup()
