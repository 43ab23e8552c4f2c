"""What is recorded while the UNet runs, and how long it is kept: for one evaluation of the denoiser.

The evaluation under way lives in the run's own `transformer_options`, which ComfyUI copies for every run and drops at
its end. Nothing recorded can reach another run, another thread or a later step, whatever fails in between.

Hosts before 0.3.7 copy no options and do not say when an evaluation begins. There it hangs on the sigma tensor that
the host makes for it and hands to the hooks, and dies with that tensor.
"""

from __future__ import annotations

import functools
import inspect
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch

from ..sag_core import attention_received
from .cpu_copy import HostCopy
from .run import wrappers_exist

Conds = list[dict[str, Any]]


class PassedOver(Exception):
    """Guidance cannot act on this evaluation; the message says why."""


class Chunk(NamedTuple):
    """One prompt's share of one UNet call, as the self-attention that is read saw it."""

    q: torch.Tensor  # [prompts * B, tokens, heads * dim], of all prompts in the call
    k: torch.Tensor
    heads: int
    number: int  # which share of the call is this prompt's
    shares: int  # how many prompts the call evaluated
    grid: tuple[int, int]  # rows and columns of tokens

    def attention(self, batch: int) -> torch.Tensor:
        """Attention received by each token of this prompt: [batch, 1, rows, columns], float32."""
        rows, columns = self.grid
        if not rows * columns == self.q.shape[1] == self.k.shape[1]:
            raise PassedOver(f"attention of shape {tuple(self.q.shape)} does not fit a {rows}x{columns} map")
        if self.q.shape[0] != self.shares * batch:
            rows_of = f"{self.q.shape[0]} rows does not fit {self.shares} x {batch} pictures"
            raise PassedOver(f"attention of {rows_of}: another node splits the batch")
        own = slice(self.number * batch, (self.number + 1) * batch)
        return attention_received(self.q[own], self.k[own], self.heads).view(batch, 1, rows, columns)


class Key(NamedTuple):
    """What a chunk was evaluated for."""

    prompt: uuid.UUID | None  # None on hosts before 0.3.7, which do not tell prompts apart
    place: int  # in transformer_options["cond_or_uncond"]
    crop: tuple[int, int]  # height and width of the latent that the UNet was given


class Call(NamedTuple):
    """One call of the attention that is read, and what the host said of it. Nothing is worked out before it is needed.

    While the UNet runs, every operation counts, and torch.compile traces this: it can note, but not hash a UUID.
    """

    q: torch.Tensor  # [prompts * B, tokens, heads * dim]
    k: torch.Tensor
    places: list[int]  # of the prompts, in the order of their rows
    prompts: list[uuid.UUID | None]
    options: dict[str, Any]  # the host's extra_options

    @classmethod
    def of(cls, q: torch.Tensor, k: torch.Tensor, options: dict[str, Any], only: int | None) -> Call:
        """All prompts of the call; but where some stand at the place `only`, these alone.

        What is kept is held while the rest of the UNet runs, where its memory is at its peak.
        """
        places = options["cond_or_uncond"]
        prompts = options.get("uuids", [None] * len(places))
        batch, left_over = divmod(q.shape[0], len(places))
        # Rows that do not divide belong to no prompt for sure: kept whole, they are passed over with the reason.
        if not left_over and only in places and places.count(only) < len(places):
            first, end = places.index(only), len(places) - places[::-1].index(only)
            q, k = (t[first * batch : end * batch].clone() for t in (q, k))
            places, prompts = places[first:end], prompts[first:end]
        return cls(q, k, places, prompts, options)

    def chunks(self) -> Iterator[tuple[Key, Chunk]]:
        """The shares of the prompts that were evaluated together."""
        crop, grid = tuple(self.options["original_shape"][-2:]), token_grid(self.options, self.q.shape[1])
        heads, shares = self.options["n_heads"], len(self.places)
        for number, (place, prompt) in enumerate(zip(self.places, self.prompts, strict=True)):
            yield Key(prompt, place, crop), Chunk(self.q, self.k, heads, number, shares, grid)


class Evaluation:
    """What one evaluation of the denoiser recorded. Open only while the host evaluates the prompts themselves."""

    def __init__(
        self,
        level: HostCopy,
        x: torch.Tensor | None = None,
        sigma: torch.Tensor | None = None,
        conds: list[Conds | None] | None = None,
        only: int | None = None,
    ) -> None:
        """`level` is sigma on its way to the CPU, sent before the UNet's work is queued behind it.

        `only` is the place that will be asked for, where that is known. Hosts before 0.3.7 say nothing of what they
        evaluate: x and sigma are None, conds are empty there.
        """
        self.level, self.x, self.sigma, self.conds, self.only = level, x, sigma, conds or [], only
        self.calls: list[Call] = []
        self.predictions: list[torch.Tensor] = []  # by place, [B, C, h, w] each
        self.open = True

    @classmethod
    def on(cls, sigma: torch.Tensor, key: str) -> Evaluation:
        """The evaluation that hangs on `sigma`. Once closed it stays there, so that nothing is recorded twice."""
        if not hasattr(sigma, key):
            setattr(sigma, key, cls(HostCopy(sigma)))  # and not sigma itself, which would never be freed
        return getattr(sigma, key)

    def covers(self, x: torch.Tensor) -> bool:
        """Whether it saw the whole latent that the post-CFG function is asked about."""
        return self.x is x or self.x is None

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

    def record(self, q: torch.Tensor, k: torch.Tensor, options: dict[str, Any]) -> None:
        if self.open:
            self.calls.append(Call.of(q, k, options, self.only))

    def chunks(self) -> dict[Key, Chunk]:
        """What was recorded. The first record of a key counts: SVD's temporal attention comes second."""
        found: dict[Key, Chunk] = {}
        for call in self.calls:
            for key, chunk in call.chunks():
                found.setdefault(key, chunk)
        return found

    def place_of(self, prompts: Conds, others: Conds | None) -> int | None:
        """Where the list `prompts` stood among those evaluated; None where it did not, or the host does not say.

        Where a node handed copies on, a prompt that only this list has tells: region twins carry the other's uuid.
        """
        for place, evaluated in enumerate(self.conds):
            if evaluated is prompts:
                return place
        own = {c.get("uuid") for c in prompts} - {c.get("uuid") for c in others or []}
        places = {key.place for key in self.chunks() if key.prompt in own}
        return places.pop() if len(places) == 1 else None


class ExtraPass:
    """Stands in the evaluation's place while this node evaluates the degraded latent: counts, records nothing."""

    def __init__(self) -> None:
        self.recorded = 0

    def includes(self, *_: Any) -> bool:
        return True

    def record(self, *_: Any) -> None:
        self.recorded += 1


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
    offered = {"attn_precision": options.get("attn_precision"), "transformer_options": options}
    known = known_arguments(backend)
    return backend(q, k, v, options["n_heads"], **{name: offered[name] for name in offered if name in known})


def known_arguments(backend: Callable[..., torch.Tensor]) -> tuple[str, ...]:
    """Which of the arguments that came to ComfyUI over time this attention backend takes."""
    return read_signature(backend)


torch.compiler.assume_constant_result(known_arguments)  # torch.compile takes its answer and does not look inside


@functools.cache
def read_signature(backend: Callable[..., torch.Tensor]) -> tuple[str, ...]:
    parameters = inspect.signature(backend).parameters
    if any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values()):
        return "attn_precision", "transformer_options"
    return tuple(parameters)


@dataclass(frozen=True)
class AttentionRecorder:
    """The attn1 replace: notes queries and keys for the evaluation under way, and computes what was there before."""

    key: str
    transformer: int  # of the block: the host asks for all of them under the block's own key
    previous: Callable[..., torch.Tensor] | None

    def __call__(
        self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, extra_options: dict[str, Any]
    ) -> torch.Tensor:
        scope = extra_options.get(self.key)
        if scope is None and not wrappers_exist():
            scope = Evaluation.on(extra_options["sigmas"], self.key)
        if scope is not None and extra_options.get("block_index", 0) == self.transformer:
            scope.record(q, k, extra_options)
        return (self.previous or host_attention)(q, k, v, extra_options)
