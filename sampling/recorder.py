"""What is recorded while the UNet runs, and how long it is kept: for one evaluation of the denoiser.

The evaluation under way lives in the run's own `transformer_options`, which ComfyUI copies for every run and drops at
its end. Nothing recorded can reach another run, another thread or a later step, whatever fails in between.

Hosts before 0.3.7 copy no options and do not say when an evaluation begins. There it hangs on the sigma tensor that
the host makes for it and hands to the hooks, and dies with that tensor.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch

from ..sag_core import attention_received
from .cpu_copy import CpuCopy
from .host import activations_shape, evaluation_scope, prompt_id, prompt_ids, token_grid, wrappers_exist
from .host_types import AttentionOptions, AttentionReplace, Conds, TransformerOptions
from .run import KEYS_UNDER_WAY
from .run_log import warn_other_model
from .sentences import GuidanceSkipped


class PromptKey(NamedTuple):
    """What a UNet call evaluated: a prompt, on the latent or on a crop of it."""

    prompt: uuid.UUID | None  # None on hosts before 0.3.7, which do not tell prompts apart
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
        """Attention received by each token of this prompt: [batch, 1, rows, columns], float32."""
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
    prompts: Sequence[uuid.UUID | None]
    heads: int
    latent_shape: Sequence[int]  # [.., h, w] that the UNet was given
    activations_shape: Sequence[int] | None  # [B, C, rows, columns] of the tokens, where the host says it
    traced: bool  # by torch.compile: q and k may be a CUDA graph's own, which its next replay overwrites

    @classmethod
    def of(cls, q: torch.Tensor, k: torch.Tensor, options: AttentionOptions, wanted: int | None) -> AttentionCall:
        """All prompts of the call; but where some have the cond_index `wanted`, these alone.

        What is kept is held while the rest of the UNet runs, where its memory is at its peak.
        """
        indices, prompts = options["cond_or_uncond"], prompt_ids(options)
        batch, left_over = divmod(q.shape[0], len(indices))
        # Rows that do not divide belong to no prompt for sure. All are kept, and later skipped with the reason.
        if not left_over and wanted in indices and indices.count(wanted) < len(indices):
            first, end = indices.index(wanted), len(indices) - indices[::-1].index(wanted)
            q, k = (t[first * batch : end * batch].clone() for t in (q, k))
            indices, prompts = indices[first:end], prompts[first:end]
        return cls(
            q, k, indices, prompts, options["n_heads"], options["original_shape"], activations_shape(options),
            torch.compiler.is_compiling(),
        )  # fmt: skip

    def outside_the_graph(self) -> AttentionCall:
        """The same with tensors of its own, if a CUDA graph may own them."""
        return self._replace(q=self.q.clone(), k=self.k.clone(), traced=False) if self.traced else self

    def by_prompt(self) -> Iterator[tuple[PromptKey, PromptAttention]]:
        """The rows of each prompt."""
        height, width = self.latent_shape[-2:]
        grid = token_grid(self.activations_shape, self.latent_shape, self.q.shape[1])
        for number, (index, prompt) in enumerate(zip(self.cond_indices, self.prompts, strict=True)):
            key = PromptKey(prompt, index, (height, width))
            yield key, PromptAttention(self.q, self.k, self.heads, number, len(self.prompts), grid)


class Evaluation:
    """What one evaluation of the denoiser recorded. Open only while the host evaluates the prompts themselves."""

    def __init__(
        self,
        sigma_copy: CpuCopy,
        x: torch.Tensor | None = None,
        sigma: torch.Tensor | None = None,
        conds: list[Conds | None] | None = None,
        wanted: int | None = None,
    ) -> None:
        """`sigma_copy` was sent to the CPU before the UNet's work was queued behind it.

        `wanted` is the cond_index that will be asked for, where that is known. Hosts before 0.3.7 say nothing of what
        they evaluate: x and sigma are None, conds are empty there.
        """
        self.sigma_copy, self.x, self.sigma, self.conds, self.wanted = sigma_copy, x, sigma, conds or [], wanted
        self.calls: list[AttentionCall] = []
        self.predictions: list[torch.Tensor] = []  # by cond_index, [B, C, h, w] each
        self.open = True

    @classmethod
    def under_way(cls, options: TransformerOptions, sigma: torch.Tensor, key: str) -> Evaluation | None:
        """The evaluation, open or closed, of the node named `key`, or what stands in its stead; None where none began.

        Hosts before 0.3.7 do not say when one begins. There it begins with the first hook that asks.
        """
        scope = options if key in options else evaluation_scope(options, sigma)
        if key not in scope and not wrappers_exist():
            scope[key] = cls(CpuCopy(sigma))  # and not sigma itself, which would never be freed
        return scope.get(key)

    def covers(self, x: torch.Tensor) -> bool:
        """Whether it saw the whole latent that the post-CFG function is asked about."""
        return self.x is x or self.x is None

    def saw_only(self, prompts: Conds) -> bool:
        """Whether the list `prompts` is all that was evaluated, as far as the host says it."""
        return len(self.conds) == 1 and self.conds[0] is prompts

    def is_at(self, sigma: torch.Tensor) -> bool:
        """Whether it was made for this very sigma tensor."""
        return self.sigma is sigma or self.sigma is None

    def close(self) -> None:
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
        """Where the list `prompts` stood among those evaluated; None where it did not, or the host does not say.

        Where a node handed copies on, a prompt that only this list has tells: region twins carry the other's uuid.
        """
        for index, evaluated in enumerate(self.conds):
            if evaluated is prompts:
                return index
        own = {prompt_id(c) for c in prompts} - {prompt_id(c) for c in others or []}
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

    key: str
    transformer: int  # of the block: the host asks for all of them under the block's own key
    previous: AttentionReplace  # what was there before, or the host's own attention

    def __call__(
        self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, extra_options: AttentionOptions
    ) -> torch.Tensor:
        if extra_options.get("block_index", 0) == self.transformer:
            sigma: Any = extra_options.get("sigmas")
            evaluation = Evaluation.under_way(extra_options, sigma, self.key)
            if evaluation is not None:
                evaluation.record(q, k, extra_options)
        return self.previous(q, k, v, extra_options)

    def cleanup(self) -> None:
        """By hosts from 0.17 on, after each run of a MODEL: one in which no hook of this node was called is told."""
        if self.key not in KEYS_UNDER_WAY:
            warn_other_model()
        cleanup = getattr(self.previous, "cleanup", None)
        if cleanup is not None:
            cleanup()
