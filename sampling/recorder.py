"""What is recorded while the UNet runs, and how long it is kept: for one evaluation of the denoiser.

The evaluation under way lives in the run's own `transformer_options`, which ComfyUI copies for every run and drops at
its end. Nothing recorded can reach another run, another thread or a later step, whatever fails in between.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch

from ..sag_core import attention_received
from .cpu_copy import CpuCopy
from .host_types import AttentionOptions, AttentionReplace, Conds
from .sentences import GuidanceSkipped


class PromptKey(NamedTuple):
    """What a UNet call evaluated: a prompt, on the latent or on a crop of it."""

    prompt: uuid.UUID
    cond_index: int  # of the prompt's side among the evaluated ones: transformer_options["cond_or_uncond"]
    crop: tuple[int, int]  # height and width of the latent that the UNet was given


class PromptAttention(NamedTuple):
    """One prompt's rows of one UNet call, as the self-attention that is read saw them."""

    q: torch.Tensor  # [prompts * B, tokens, heads * dim], of all prompts in the call
    k: torch.Tensor
    heads: int
    number: int  # of this prompt in the call, from 0
    prompts: int  # how many the call evaluated
    grid: tuple[int, int]  # rows and columns of tokens

    def received(self, batch: int) -> torch.Tensor:
        """Attention received by each token of this prompt: [batch, 1, rows, columns], float32.

        GuidanceSkipped where queries and keys are not those of `batch` pictures on this grid.
        """
        rows, columns = self.grid
        shape = tuple(self.q.shape)
        if self.q.shape[1] != rows * columns:
            raise GuidanceSkipped("noSuchMap", shape=str(shape), rows=rows, columns=columns)
        if (keys := self.k.shape[1]) != rows * columns:
            raise GuidanceSkipped("keysChanged", keys=keys, rows=rows, columns=columns)
        if shape[0] != self.prompts * batch:
            raise GuidanceSkipped("batchSplit", rows=shape[0], prompts=self.prompts, batch=batch)
        own = slice(self.number * batch, (self.number + 1) * batch)
        return attention_received(self.q[own], self.k[own], self.heads).view(batch, 1, rows, columns)


class AttentionCall(NamedTuple):
    """One call of the attention that is read, and what the host said of it.

    Nothing is worked out before it is needed: while the UNet runs, every operation counts. And torch.compile traces
    this, which can note a UUID but not hash it. The host's options themselves are not kept: they hold the evaluation,
    and in a circle the tensors would stay until the garbage collector comes.
    """

    q: torch.Tensor  # [prompts * B, tokens, heads * dim]
    k: torch.Tensor
    cond_indices: Sequence[int]  # of the prompts, in the order of their rows
    prompts: Sequence[uuid.UUID]
    heads: int
    latent_shape: Sequence[int]  # [.., h, w] that the UNet was given
    activations_shape: Sequence[int]  # [prompts * B, C, rows, columns] of the tokens
    traced: bool  # by torch.compile: q and k may be a CUDA graph's own, which its next replay overwrites

    @classmethod
    def of(cls, q: torch.Tensor, k: torch.Tensor, options: AttentionOptions, wanted: int | None) -> AttentionCall:
        """All prompts of the call; but where some have the cond_index `wanted`, these alone.

        What is kept is held while the rest of the UNet runs, where its memory is at its peak.
        """
        indices, prompts = options["cond_or_uncond"], options["uuids"]
        batch, left_over = divmod(q.shape[0], len(indices))
        # Rows that do not divide belong to no prompt for sure. All are kept, and later skipped with the reason.
        if not left_over and wanted in indices and indices.count(wanted) < len(indices):
            first, end = indices.index(wanted), len(indices) - indices[::-1].index(wanted)
            q, k = (t[first * batch : end * batch].clone() for t in (q, k))
            indices, prompts = indices[first:end], prompts[first:end]
        return cls(
            q, k, indices, prompts, options["n_heads"], options["original_shape"], options["activations_shape"],
            torch.compiler.is_compiling(),
        )  # fmt: skip

    def outside_the_graph(self) -> AttentionCall:
        """The same with tensors of its own, if a CUDA graph may own them."""
        return self._replace(q=self.q.clone(), k=self.k.clone(), traced=False) if self.traced else self

    def by_prompt(self) -> Iterator[tuple[PromptKey, PromptAttention]]:
        """The rows of each prompt."""
        height, width = self.latent_shape[-2:]
        rows, columns = self.activations_shape[-2:]
        for number, (index, prompt) in enumerate(zip(self.cond_indices, self.prompts, strict=True)):
            key = PromptKey(prompt, index, (height, width))
            yield key, PromptAttention(self.q, self.k, self.heads, number, len(self.prompts), (rows, columns))


class Evaluation:
    """What one evaluation of the denoiser recorded. Open only while the host evaluates the prompts themselves."""

    def __init__(
        self, x: torch.Tensor, sigma: torch.Tensor, conds: list[Conds | None], wanted: int | None = None
    ) -> None:
        """What the host is about to evaluate: `conds` on the latent `x` [B, C, h, w], at `sigma` [B].

        `wanted` is the cond_index that will be asked for, where that is known.
        """
        self.x, self.sigma, self.conds, self.wanted = x, sigma, conds, wanted
        self.sigma_copy = CpuCopy(sigma)  # sent to the CPU before the UNet's work is queued behind it
        self.calls: list[AttentionCall] = []
        self.predictions: list[torch.Tensor] = []  # by cond_index, [B, C, h, w] each
        self.open = True

    def covers(self, x: torch.Tensor) -> bool:
        """Whether it saw the whole latent that the post-CFG function is asked about."""
        return self.x is x

    def saw_only(self, prompts: Conds) -> bool:
        """Whether the list `prompts` is all that was evaluated, as far as the host says it."""
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
        """Whether this call of the UNet is another node's, made inside this evaluation, rather than the next one.

        The host makes a new sigma tensor for every evaluation and hands the same one to every hook inside it.
        """
        same_prompts = len(conds) == len(self.conds) and all(a is b for a, b in zip(conds, self.conds, strict=True))
        return sigma is self.sigma and (x is self.x or not same_prompts)

    def unet_call_ends(self) -> None:
        """Before the UNet's next call, take what this one recorded out of the reach of a CUDA graph."""
        self.calls = [call.outside_the_graph() for call in self.calls]

    def record(self, q: torch.Tensor, k: torch.Tensor, options: AttentionOptions) -> None:
        """Note queries and keys [prompts * B, tokens, heads * dim] of one call of the attention that is read."""
        if self.open:
            self.calls.append(AttentionCall.of(q, k, options, self.wanted))

    def by_prompt(self) -> dict[PromptKey, PromptAttention]:
        """What was recorded. The first record of a key counts: SVD's temporal attention comes second."""
        found: dict[PromptKey, PromptAttention] = {}
        for call in self.calls:
            for key, attention in call.by_prompt():
                found.setdefault(key, attention)
        return found

    def cond_index_of(self, prompts: Conds, others: Conds | None) -> int | None:
        """The cond_index of the list `prompts`; None where it was not evaluated, or cannot be told from the others.

        A node may have handed copies of the lists on. Then a prompt that is in this list alone tells: where a prompt
        has a region, the host gives the other side a twin of it, with the same uuid.
        """
        for index, evaluated in enumerate(self.conds):
            if evaluated is prompts:
                return index
        own = {c["uuid"] for c in prompts} - {c["uuid"] for c in others or []}
        indices = {key.cond_index for key in self.by_prompt() if key.prompt in own}
        return indices.pop() if len(indices) == 1 else None


class DegradedPass:
    """Stands in the evaluation's stead while this node evaluates the degraded latent: counts, records nothing."""

    def __init__(self) -> None:
        self.unet_calls = 0

    def includes(self, *_: Any) -> bool:
        return True

    def record(self, *_: Any) -> None:
        self.unet_calls += 1

    def unet_call_ends(self) -> None:
        """Nothing was recorded."""


@dataclass(frozen=True)
class AttentionRecorder:
    """The attn1 replace: notes queries and keys for the evaluation under way, and computes what was there before."""

    key: str  # of the node, whose evaluation stands under it in the transformer options
    transformer: int  # of the block: the host asks for all of them under the block's own key
    previous: AttentionReplace  # what was there before, or the host's own attention

    def __call__(
        self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, extra_options: AttentionOptions
    ) -> torch.Tensor:
        """What `previous` makes of q, k and v, [prompts * B, tokens, heads * dim]."""
        if extra_options.get("block_index", 0) == self.transformer:
            evaluation: Evaluation | DegradedPass | None = extra_options.get(self.key)
            if evaluation is not None:
                evaluation.record(q, k, extra_options)
        return self.previous(q, k, v, extra_options)

    def cleanup(self) -> None:
        """Called by the host after each run of a MODEL, from 0.17 on: handed on to what was there before."""
        cleanup = getattr(self.previous, "cleanup", None)
        if cleanup is not None:
            cleanup()
