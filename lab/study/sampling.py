"""Pictures of one setting, sampled by ComfyUI with the node's guidance on its MODEL.

Picture i has the same noise and the same class in every setting, whatever the batch.
"""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from lab.study.forms import FORMS, PAG, PerturbedAttention, guidance
from lab.study.questions import Setting

SEED = 2210
GOLDEN = (5**0.5 - 1) / 2
PRECISIONS = {"float32": torch.float32, "tf32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
MEMORY_FACTOR = 0.1  # of the host's estimate, which at 1 is 20 MB a picture and would split the batch
ADVANCED = ("threshold", "fade", "rescale", "rescale_mode", "every", "detail")  # not the basic node's


@dataclass(frozen=True)
class Sampled:
    """What a setting gave."""

    pictures: torch.Tensor  # [N, C, h, w], not cut off at black and white
    cfg: float
    seconds: float
    extra_calls: float  # of the UNet a picture, as the node counted them
    effective_norm: float | None  # cfg whose guidance has this norm; None at cfg 1
    effective_parallel: float | None  # cfg whose guidance has this part along CFG's own direction


def classes_of(labels: torch.Tensor, count: int) -> torch.Tensor:
    """`count` classes as frequent as among `labels`, every stretch of them mixed."""
    places = (torch.arange(count, dtype=torch.float64) * GOLDEN).frac() * len(labels)
    return labels.cpu().sort().values[places.long()]


class EffectiveScale:
    """A post-CFG function behind the node's: all guidance of a step, measured in CFG's own.

    v = guided - uncond, d = cond - uncond. The norm's scale is |v| / |d|, the mean over all steps, as in "Guidance
    Matters", arXiv 2602.22570; the parallel one is <v, d> / |d|^2. Plain CFG gives its own scale by both.
    """

    def __init__(self) -> None:
        self.sums: dict[int, torch.Tensor] = defaultdict(lambda: 0)  # by step: v v, d d, v d over all pictures
        self.step = 0

    def __call__(self, args: dict[str, Any]) -> torch.Tensor:
        guidance, direction = (args[name] - args["uncond_denoised"] for name in ("denoised", "cond_denoised"))
        pairs = ((guidance, guidance), (direction, direction), (guidance, direction))
        self.sums[self.step] += torch.stack([(a.double() * b).sum() for a, b in pairs])
        self.step += 1
        return args["denoised"]

    def scales(self) -> tuple[float, float]:
        vv, dd, vd = torch.stack(list(self.sums.values())).unbind(dim=1)
        return (vv / dd).sqrt().mean().item(), (vd / dd).mean().item()


class Sampler:
    """A trained model in the host, with the noise and the classes of every picture."""

    def __init__(self, weights: Path, labels: torch.Tensor, most: int, precision: str, batch: int) -> None:
        """`labels` are the training data's, `most` the pictures of the largest setting."""
        from lab.demo.sag_demo import architecture

        self.model, table = architecture.load(weights, PRECISIONS[precision])
        self.model.model.memory_usage_factor = MEMORY_FACTOR
        self.exact, self.batch = precision == "float32", batch
        torch.set_float32_matmul_precision("highest" if self.exact else "high")
        own = self.model.model.model_config.unet_config
        shape = (most, own["in_channels"], own["image_size"], own["image_size"])
        self.noise = torch.randn(shape, generator=torch.Generator().manual_seed(SEED))
        self.classes = classes_of(labels, most)
        self.negative, self.prompts = table[-1:], table[self.classes]

    def sample(self, setting: Setting, cfg: float) -> Sampled:
        """All pictures of `setting`, sampled at `cfg`."""
        import comfy.sample

        torch.manual_seed(SEED)  # for the random masks
        model, measured = self.guided(setting, cfg), EffectiveScale()
        if measures := cfg != 1:
            model = model.clone()
            model.set_model_sampler_post_cfg_function(measured)
        fast = torch.backends.cudnn.flags(enabled=True, benchmark=True, allow_tf32=not self.exact)
        found, calls, started = [], 0.0, time.perf_counter()
        with torch.inference_mode(), guidance(setting.form, setting.detail, setting.masking), fast:
            for first in range(0, setting.count, self.batch):
                own = slice(first, min(first + self.batch, setting.count))
                noise, measured.step = self.noise[own], 0
                prompts = self.prompts[own] if setting.conditional else self.negative
                found.append(comfy.sample.sample(
                    model, noise, setting.steps, cfg, "euler", "normal", [[prompts, {}]], [[self.negative, {}]],
                    torch.zeros_like(noise), disable_pbar=True, seed=SEED,
                ))  # fmt: skip
                calls += extra_calls(model, noise.shape) * len(noise)
        seconds = time.perf_counter() - started
        norm, parallel = measured.scales() if measures else (None, None)
        return Sampled(torch.cat(found), cfg, seconds, calls / setting.count, norm, parallel)

    def guided(self, setting: Setting, cfg: float) -> Any:
        """The MODEL behind the node. At cfg 1, where the basic node does not act, and for its own settings, that is
        the advanced one, with branch auto."""
        from sag_delayed_activation.nodes import SelfAttentionGuidanceCustom
        from sag_delayed_activation.nodes_advanced import SelfAttentionGuidanceAdvanced
        from sag_delayed_activation.sag_core import SigmaWindow

        window = self.window(setting)
        if setting.form == PAG:
            model = self.model.clone()
            model.set_model_sampler_post_cfg_function(PerturbedAttention(setting.scale, SigmaWindow(*window)))
            return model
        common = (self.model, setting.scale, setting.blur_sigma, *window)
        if cfg != 1 and not setting.varied(ADVANCED):
            return SelfAttentionGuidanceCustom().patch(*common)[0]
        own = {name: getattr(setting, name) for name in setting.varied(ADVANCED)}
        if setting.form in FORMS:
            del own["detail"]  # the form sees to it
        return SelfAttentionGuidanceAdvanced().patch(*common, **own)[0]

    def window(self, setting: Setting) -> tuple[float, float]:
        """sigma_start and sigma_end for the node."""
        from sag_delayed_activation.sampling import schedule_of
        from sag_delayed_activation.sigma_window import window_around

        if setting.sigmas or not setting.active:
            return setting.sigmas or (1000.0, 0.0)
        sigmas = schedule_of(self.model, "normal", setting.steps, 1.0, "euler").tolist()
        found = window_around(sigmas, range(*setting.active))
        return found.start, found.end


def extra_calls(model: Any, shape: torch.Size) -> int:
    """How often the node evaluated the UNet once more in the last run of this shape."""
    from sag_delayed_activation.sampling import MASK_STORE

    store = model.model_options.get(MASK_STORE)
    if store:
        return sum(log.extra_calls for log in store.runs[tuple(shape)][-1].logs)
    own = [f for f in model.model_options.get("sampler_post_cfg_function", []) if isinstance(f, PerturbedAttention)]
    return sum(function.calls_of_run() for function in own)
