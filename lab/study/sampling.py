"""Pictures of one setting, sampled by ComfyUI with the node's guidance on its MODEL.

Picture i has the same noise and the same class in every setting, whatever the batch.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch

from lab.study.forms import PERTURBED, PerturbedAttention, unsharp_mask
from lab.study.questions import SCHEDULERS, UNSHARP, Setting

SEED = 2210
GOLDEN = (5**0.5 - 1) / 2
BLUR_SIGMA = 2.0  # of all settings, the node's default
MEMORY_FACTOR = 0.1  # of the host's estimate, which at 1 is 20 MB a picture and would split the batch


@dataclass(frozen=True)
class Sampled:
    """What a setting gave."""

    pictures: torch.Tensor  # [N, C, h, w], not cut off at black and white
    seconds: float
    extra_calls: float  # of the UNet a picture, as the node counted them


def classes_of(labels: torch.Tensor, count: int) -> torch.Tensor:
    """`count` classes as frequent as among `labels`, every stretch of them mixed."""
    places = (torch.arange(count, dtype=torch.float64) * GOLDEN).frac() * len(labels)
    return labels.cpu().sort().values[places.long()]


@cache
def noise_of(which: int, shape: tuple[int, ...]) -> torch.Tensor:
    """The noise of every picture, of standard deviation 1; `which` is a setting's."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(SEED + which - Setting.noise))


class Sampler:
    """A trained model in the host, with the noise and the classes of every picture."""

    def __init__(
        self,
        weights: Path,
        labels: torch.Tensor,
        shape: Sequence[int],
        batch: int,
        dtype: torch.dtype = torch.float16,  # what ComfyUI runs SD in. The weights are bf16 and lose nothing in it
    ) -> None:
        """`labels` are the training data's, `shape` is that of the largest setting's pictures, [N, C, h, w]."""
        from lab.demo.sag_demo import architecture

        self.model, table = architecture.load(weights, dtype)
        self.model.model.memory_usage_factor = MEMORY_FACTOR
        self.batch, self.shape, self.classes = batch, tuple(shape), classes_of(labels, shape[0])
        self.negative, self.prompts = table[-1:], table[self.classes]

    def sample(self, setting: Setting) -> Sampled:
        """All pictures of `setting`."""
        import comfy.sample

        model, schedule = self.guided(setting), (setting.sampler, SCHEDULERS[setting.sampler])
        fast = torch.backends.cudnn.flags(enabled=True, benchmark=True, allow_tf32=True)
        found, calls, started = [], 0.0, time.perf_counter()
        with torch.inference_mode(), unsharp_mask() if setting.form == UNSHARP else nullcontext(), fast:
            for first in range(0, setting.count, self.batch):
                own = slice(first, min(first + self.batch, setting.count))
                noise = noise_of(setting.noise, self.shape)[own]
                found.append(comfy.sample.sample(
                    model, noise, setting.steps, setting.cfg, *schedule, [[self.prompts[own], {}]],
                    [[self.negative, {}]], torch.zeros_like(noise), disable_pbar=True, seed=SEED,
                ))  # fmt: skip
                calls += self.extra_calls(model, found[-1], setting) * len(noise)
        seconds = time.perf_counter() - started
        return Sampled(torch.cat(found), seconds, calls / setting.count)

    def guided(self, setting: Setting) -> Any:
        """The MODEL behind the node: behind the basic one, or for `detail` the advanced one."""
        from sag_delayed_activation.nodes import SelfAttentionGuidanceCustom
        from sag_delayed_activation.nodes_advanced import SelfAttentionGuidanceAdvanced
        from sag_delayed_activation.sag_core import SigmaWindow

        window = self.window(setting)
        if setting.form in PERTURBED:
            model, technique = self.model.clone(), PerturbedAttention(setting.form, setting.scale, SigmaWindow(*window))
            model.set_model_sampler_post_cfg_function(technique)
            return model
        common = (self.model, setting.scale, BLUR_SIGMA, *window)
        if setting.detail:
            return SelfAttentionGuidanceAdvanced().patch(*common, detail=setting.detail)[0]
        return SelfAttentionGuidanceCustom().patch(*common)[0]

    def window(self, setting: Setting) -> tuple[float, float]:
        """sigma_start and sigma_end for the node."""
        from sag_delayed_activation.sampling.schedule import schedule_of
        from sag_delayed_activation.sigma_window import window_around

        if not setting.active:
            return 1000.0, 0.0
        scheduler = SCHEDULERS[setting.sampler]
        sigmas = schedule_of(self.model, scheduler, setting.steps, 1.0, setting.sampler).tolist()
        found = window_around(sigmas, range(*setting.active))
        return found.start, found.end

    def extra_calls(self, model: Any, latent: torch.Tensor, setting: Setting) -> int:
        """How often the node evaluated the model once more in the run that gave this latent, by its own line."""
        from sag_delayed_activation.sampling.masks import MASK_STORE

        store = model.model_options.get(MASK_STORE)
        if store:
            run, _ = store.run_of(latent)
            return sum(int(calls) for line in run.lines for calls in re.findall(r"(\d+) extra UNet calls", line))
        functions = model.model_options.get("sampler_post_cfg_function", [])
        return sum(f.calls_of_run() for f in functions if isinstance(f, PerturbedAttention))
