"""What each evaluation of a run was made of: what the host had evaluated, and what one node did with it."""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from unittest import mock

import torch

from sag_delayed_activation.sampling import recorder

Prompts = Counter[tuple[int, tuple[int, int]]]  # how many, by their place and their crop of the latent


@dataclass
class Evaluation:
    """One evaluation of the model, as one node met it after the host's CFG."""

    sigma: float
    prompts: Prompts  # that the UNet ran before
    before: torch.Tensor  # denoised, as it came to the node
    after: torch.Tensor | None = None
    extra: Prompts = field(default_factory=Counter)  # that the UNet ran for the node

    @property
    def negatives(self) -> Prompts:
        return self.at(1)

    @property
    def positives(self) -> Prompts:
        return self.at(0)

    def at(self, place: int) -> Prompts:
        return Counter({key: count for key, count in self.prompts.items() if key[0] == place})

    @property
    def untouched(self) -> bool:
        return torch.equal(self.before, self.after) and not self.extra


class Watch:
    """Counts the UNet's calls while it is in use; `begin` goes before all nodes, `end` after them."""

    def __init__(self, model) -> None:
        self.unet = model.model.diffusion_model
        self.ran: Prompts = Counter()
        self.evaluated: Prompts = Counter()

    def __enter__(self) -> Watch:
        forward = self.unet.forward

        def counting(x, *args, **options):
            self.ran.update((place, tuple(x.shape[-2:])) for place in options["transformer_options"]["cond_or_uncond"])
            return forward(x, *args, **options)

        self.unet.forward = counting
        return self

    def __exit__(self, *_) -> None:
        del self.unet.forward

    def begin(self, model):
        def evaluated(args):
            self.evaluated, self.ran = self.ran, Counter()
            return args["denoised"]

        return after_cfg(model, evaluated)

    def around(self, patch: Callable, model) -> tuple:
        """The MODEL that `patch` makes, and the list that each run fills with its evaluations."""
        met: list[Evaluation] = []

        def before(args):
            self.ran = Counter()
            met.append(Evaluation(float(args["sigma"].max()), self.evaluated, args["denoised"].clone()))
            return args["denoised"]

        def after(args):
            met[-1].after, met[-1].extra, self.ran = args["denoised"].clone(), self.ran, Counter()
            return args["denoised"]

        return after_cfg(patch(after_cfg(model, before)), after), met

    def end(self, model):
        def forget(args):
            self.ran = Counter()
            return args["denoised"]

        return after_cfg(model, forget)


def after_cfg(model, function: Callable):
    """A clone of MODEL with one more post-CFG function."""
    clone = model.clone()
    clone.set_model_sampler_post_cfg_function(function)
    return clone


@contextmanager
def recorded() -> Iterator[list[weakref.ref]]:
    """Weak references to all queries and keys that are recorded meanwhile."""
    references, of = [], recorder.AttentionCall.of

    def noting(*args):
        call = of(*args)
        references.extend(map(weakref.ref, (call.q, call.k)))
        return call

    with mock.patch.object(recorder.AttentionCall, "of", noting):
        yield references
