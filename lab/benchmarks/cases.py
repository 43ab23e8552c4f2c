"""What is sampled: the host's own UNets in the shapes of SD1.5 and SDXL with random weights, and their prompts.

Time does not depend on the values, as long as they stay finite; so the weights are drawn on the device itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch

CFG, SAMPLER, SCHEDULER, SEED = 7.0, "euler", "normal", 3
TOKENS = 77  # of a prompt
LATENT_CHANNELS, LATENT_PIXEL = 4, 8  # image pixels along each side of a latent pixel
COMMON = {
    "image_size": 32, "in_channels": 4, "out_channels": 4, "use_spatial_transformer": True, "legacy": False,
    "use_temporal_attention": False, "use_temporal_resblock": False,
}  # fmt: skip


@dataclass(frozen=True)
class Family:
    """A UNet: the host's config class, what the host would read off a checkpoint, and the pooled prompt's width."""

    config_class: str
    unet: dict[str, Any]
    pooled: int | None


FAMILIES = {
    "sd15": Family("SD15", {
        **COMMON, "adm_in_channels": None, "model_channels": 320, "channel_mult": [1, 2, 4, 4],
        "num_res_blocks": [2, 2, 2, 2], "transformer_depth": [1, 1, 1, 1, 1, 1, 0, 0], "transformer_depth_middle": 1,
        "transformer_depth_output": [1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0], "use_linear_in_transformer": False,
        "context_dim": 768, "num_heads": 8,
    }, None),
    "sdxl": Family("SDXL", {
        **COMMON, "num_classes": "sequential", "adm_in_channels": 2816, "model_channels": 320,
        "channel_mult": [1, 2, 4], "num_res_blocks": [2, 2, 2], "transformer_depth": [0, 0, 2, 2, 10, 10],
        "transformer_depth_middle": 10, "transformer_depth_output": [0, 0, 0, 2, 2, 2, 10, 10, 10],
        "use_linear_in_transformer": True, "context_dim": 2048, "num_head_channels": 64,
    }, 1280),
    "tiny": Family("SDXL", {  # SDXL in small: as many blocks, two transformers where SDXL has ten
        **COMMON, "num_classes": "sequential", "adm_in_channels": 2816, "model_channels": 32,
        "channel_mult": [1, 2, 4], "num_res_blocks": [2, 2, 2], "transformer_depth": [0, 0, 1, 1, 2, 2],
        "transformer_depth_middle": 2, "transformer_depth_output": [0, 0, 0, 1, 1, 1, 2, 2, 2],
        "use_linear_in_transformer": True, "context_dim": 64, "num_head_channels": 64,
    }, 1280),
}  # fmt: skip


@dataclass(frozen=True)
class Case:
    """`batch` pictures of `side` x `side` pixels."""

    family: str
    side: int
    batch: int = 1
    steps: int = 8

    @property
    def name(self) -> str:
        return f"{self.family}-{self.side}-b{self.batch}"

    @classmethod
    def named(cls, name: str) -> Case:
        """`tiny`, or family, side and batch as in `sdxl-1024-b4`; ValueError for others."""
        if name == "tiny":
            return cls("tiny", 128, 1, steps=4)
        family, side, batch = name.split("-")
        if family not in FAMILIES or not batch.startswith("b"):
            raise ValueError(f"case must be tiny or like sdxl-1024-b4, got {name}")
        return cls(family, int(side), int(batch[1:]))

    def with_steps(self, steps: int | None) -> Case:
        return replace(self, steps=steps or self.steps)


@dataclass(frozen=True)
class Workload:
    """A MODEL and what it is asked to sample."""

    model: Any
    case: Case
    positive: list
    negative: list
    noise: torch.Tensor  # [B, 4, h, w]

    def sample(self, model: Any, callback: Callable[..., None] | None = None) -> torch.Tensor:
        """The latent [B, 4, h, w] that the host's own sampling makes with `model`, a clone of this one's."""
        import comfy.sample

        return comfy.sample.sample(
            model, self.noise, self.case.steps, CFG, SAMPLER, SCHEDULER, self.positive, self.negative,
            torch.zeros_like(self.noise), disable_pbar=True, seed=SEED, callback=callback,
        )  # fmt: skip


def workload(case: Case, model: Any = None) -> Workload:
    """The case with a model of its own, or with one of the same family that is there already."""
    side = case.side // LATENT_PIXEL
    noise = torch.randn(case.batch, LATENT_CHANNELS, side, side, generator=torch.Generator().manual_seed(SEED))
    return Workload(model or build(case.family), case, prompt(case, 1), prompt(case, 2), noise)


def prompt(case: Case, seed: int) -> list:
    """A CONDITIONING of one random prompt."""
    family, dice = FAMILIES[case.family], torch.Generator().manual_seed(seed)
    settings: dict[str, Any] = {}
    if family.pooled:
        pooled = torch.randn(1, family.pooled, generator=dice)
        settings = {"pooled_output": pooled, "width": case.side, "height": case.side}
    return [[torch.randn(1, TOKENS, family.unet["context_dim"], generator=dice), settings]]


def build(name: str) -> Any:
    """A ModelPatcher around the family's UNet with random weights: float16 on a GPU, float32 on the CPU."""
    import comfy.model_management
    import comfy.model_patcher

    device = comfy.model_management.get_torch_device()
    model = bare_model(FAMILIES[name], device, torch.float32 if device.type == "cpu" else torch.float16)
    draw_weights(model.diffusion_model)
    return comfy.model_patcher.ModelPatcher(model, device, comfy.model_management.unet_offload_device())


def bare_model(family: Family, device: torch.device | str, dtype: torch.dtype) -> Any:
    """The host's BaseModel as it makes it for a checkpoint of this family, the weights unset."""
    import comfy.supported_models

    # UNetModel empties the lists it is given, so they are copied.
    unet = {key: list(value) if isinstance(value, list) else value for key, value in family.unet.items()}
    config = getattr(comfy.supported_models, family.config_class)(unet)
    config.set_inference_dtype(dtype, None)
    return config.get_model({}, device=device)


def draw_weights(unet: torch.nn.Module) -> None:
    """Matrices that keep a signal's size, norms of weight 1, biases of 0: outputs stay finite in float16."""
    dice = torch.Generator(device=next(unet.parameters()).device).manual_seed(SEED)
    for name, parameter in unet.named_parameters():
        parameter.requires_grad_(False)
        if parameter.ndim > 1:
            parameter.normal_(std=parameter[0].numel() ** -0.5, generator=dice)
        else:
            parameter.fill_(float(name.endswith("weight")))
