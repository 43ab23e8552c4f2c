"""`every`: what reusing guidance saves, and how far the latent strays, on the demo's trained model."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from lab.benchmarks.compiling import distance
from lab.benchmarks.records import Records
from lab.benchmarks.timing import load, timed
from lab.loading import load_pack

EVERY = (1, 2, 3, 4, 6, 8)
SERIES = ((20, 1000.0), (40, 1000.0), (20, 2.0))  # steps and sigma_start; 1000 is no bound
SCALE, BLUR, CFG = 1.5, 2.0, 2.0  # as in the README's picture
OFF = 0  # stands for the model without the node


@dataclass(frozen=True)
class Demo:
    """The demo's model and prompts, sampled as in the README's picture: ten garments a seed."""

    positive: list
    negative: list
    steps: int
    seed: int

    def sample(self, model: Any, callback: Any = None) -> torch.Tensor:
        import comfy.sample

        noise = torch.randn(10, 1, 32, 32, generator=torch.Generator().manual_seed(self.seed))
        return comfy.sample.sample(
            model, noise, self.steps, CFG, "euler", "normal", self.positive, self.negative, torch.zeros_like(noise),
            disable_pbar=True, seed=self.seed, callback=callback,
        )  # fmt: skip


def every(seeds: int, out: Path) -> None:
    """All values of `every`, in an order of their own for each series and seed."""
    from lab.demo.sag_demo import FashionModel

    model, positive, negative = FashionModel().load()
    load(model)
    node = load_pack().NODE_CLASS_MAPPINGS["SAG delayed activation (advanced)"]()
    with Records(out) as records:
        for steps, start in SERIES:
            models = {n: node.patch(model, SCALE, BLUR, start, 0.0, every=n)[0] for n in EVERY} | {OFF: model.clone()}
            for patched in models.values():
                timed(Demo(positive, negative, 4, 0), patched, 0)
            for seed in range(seeds):
                order = random.Random(seed).sample(sorted(models), len(models))
                found = {n: timed(Demo(positive, negative, steps, seed), models[n], 0) for n in order}
                for n, sample in found.items():
                    records.add("every", every=n, steps=steps, sigma_start=start, seed=seed, seconds=sample.seconds,
                                calls=sample.calls, distance=distance(sample.latent, found[1].latent))  # fmt: skip
            print(f"every: {steps} steps from sigma {start:g} done", flush=True)
