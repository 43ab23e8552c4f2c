"""What is sampled: the host's own UNets in the shapes of SD1.5 and SDXL with random weights, in several variants.

Time does not depend on the values, as long as they stay finite; so the weights are drawn on the device itself.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, NamedTuple

import torch

from lab.loading import PACK, load_pack

CFG, SAMPLER, SCHEDULER, SEED = 7.0, "euler", "normal", 3
NAME, ADVANCED = "SAG delayed activation", "SAG delayed activation (advanced)"
SCALE, BLUR = 0.5, 2.0  # the defaults of this pack and of the host's own node
UNPATCHED, LIMIT, HOST, ALL, NONE, HALF = VARIANTS = ("unpatched", "limit", "host", "all", "none", "half")
TOKENS, POOLED = 77, 1280  # of a prompt; width of SDXL's pooled prompt
LATENT_CHANNELS, LATENT_PIXEL = 4, 8  # image pixels along each side of a latent pixel
COMMON = {
    "image_size": 32, "in_channels": 4, "out_channels": 4, "model_channels": 320, "use_spatial_transformer": True,
    "use_temporal_attention": False, "legacy": False,
}  # fmt: skip
SD15 = {
    **COMMON, "adm_in_channels": None, "channel_mult": [1, 2, 4, 4], "num_res_blocks": [2, 2, 2, 2],
    "transformer_depth": [1, 1, 1, 1, 1, 1, 0, 0], "transformer_depth_middle": 1, "context_dim": 768,
    "transformer_depth_output": [1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0], "use_linear_in_transformer": False,
}  # fmt: skip
SDXL = {
    **COMMON, "num_classes": "sequential", "adm_in_channels": 2816, "channel_mult": [1, 2, 4],
    "num_res_blocks": [2, 2, 2], "transformer_depth": [0, 0, 2, 2, 10, 10], "transformer_depth_middle": 10,
    "transformer_depth_output": [0, 0, 0, 2, 2, 2, 10, 10, 10], "use_linear_in_transformer": True,
    "context_dim": 2048,
}  # fmt: skip
TINY = {  # SDXL in small: as many blocks, two transformers where SDXL has ten
    **SDXL, "model_channels": 32, "transformer_depth": [0, 0, 1, 1, 2, 2], "transformer_depth_middle": 2,
    "transformer_depth_output": [0, 0, 0, 1, 1, 1, 2, 2, 2], "context_dim": 64,
}  # fmt: skip
# The host's config class, and what the host would read off a checkpoint.
FAMILIES = {"sd15": ("SD15", SD15), "sdxl": ("SDXL", SDXL), "tiny": ("SDXL", TINY)}


class Case(NamedTuple):
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
        family, side, batch = "tiny-128-b1".split("-") if name == "tiny" else name.split("-")
        if family not in FAMILIES:
            raise ValueError(f"there is no {family}")
        return cls(family, int(side), int(batch.removeprefix("b")))


class Workload(NamedTuple):
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

    def of_one_step(self) -> Workload:
        return self._replace(case=self.case._replace(steps=1))

    def variant(self, name: str) -> Any:
        """The variant of that name as a MODEL of its own, which shares the weights of `model`."""
        from comfy_extras.nodes_sag import SelfAttentionGuidance  # a node of the host's V3 interface

        if name == HOST:
            return SelfAttentionGuidance.execute(self.model, SCALE, BLUR)[0]
        steps = self.case.steps
        active = {ALL: steps, NONE: 0, HALF: steps // 2}
        if name in active:
            return with_pack(self.model, steps, active[name])
        patched = self.model.clone()
        if name == LIMIT:
            patched.set_model_sampler_post_cfg_function(once_more)
        return patched


def once_more(args: dict[str, Any]) -> torch.Tensor:
    """The limit: the negative is evaluated once more in every step, and nothing is done with it."""
    import comfy.samplers

    conds = [None, args["uncond"]]
    comfy.samplers.calc_cond_batch(args["model"], conds, args["input"], args["sigma"], args["model_options"])
    return args["denoised"]


def with_pack(model: Any, steps: int, active: int, node: str = NAME, pack: str = PACK, **settings: Any) -> Any:
    """A node of this pack, or of another of its versions, with a window that holds the last `active` of the steps."""
    from sag_delayed_activation.sampling.schedule import schedule_of

    sigmas = [1000.0, *schedule_of(model, SCHEDULER, steps, 1.0, SAMPLER).tolist()]  # and more than the first
    start = sum(sigmas[steps - active : steps - active + 2]) / 2  # half way from the last step outside of it
    made = load_pack(pack).NODE_CLASS_MAPPINGS[node]()
    return made.patch(model, SCALE, BLUR, start, 0.0, **settings)[0]


def workload(case: Case, model: Any = None) -> Workload:
    """The case with a model of its own, or with one of the same family that is there already."""
    side = case.side // LATENT_PIXEL
    noise = torch.randn(case.batch, LATENT_CHANNELS, side, side, generator=torch.Generator().manual_seed(SEED))
    return Workload(model or build(case.family), case, prompt(case, 1), prompt(case, 2), noise)


def prompt(case: Case, seed: int) -> list:
    """A CONDITIONING of one random prompt; SD1.5 passes over what only SDXL reads."""
    dice = torch.Generator().manual_seed(seed)
    pooled, width = torch.randn(1, POOLED, generator=dice), FAMILIES[case.family][1]["context_dim"]
    settings = {"pooled_output": pooled, "width": case.side, "height": case.side}
    return [[torch.randn(1, TOKENS, width, generator=dice), settings]]


def build(family: str) -> Any:
    """A ModelPatcher around the family's UNet with random weights: float16 on a GPU, float32 on the CPU.

    Matrices keep a signal's size, norms have weight 1 and biases are 0: outputs stay finite in float16.
    """
    from comfy import model_management, model_patcher

    device = model_management.get_torch_device()
    model = bare_model(family, device, torch.float32 if device.type == "cpu" else torch.float16)
    dice = torch.Generator(device).manual_seed(SEED)
    for name, parameter in model.diffusion_model.requires_grad_(False).named_parameters():
        if parameter.ndim > 1:
            parameter.normal_(std=parameter[0].numel() ** -0.5, generator=dice)
        else:
            parameter.fill_(float(name.endswith("weight")))
    return model_patcher.ModelPatcher(model, device, model_management.unet_offload_device())


def bare_model(family: str, device: torch.device | str, dtype: torch.dtype) -> Any:
    """The host's BaseModel as it makes it for a checkpoint of this family, the weights unset."""
    import comfy.supported_models

    config_class, unet = FAMILIES[family]
    config = getattr(comfy.supported_models, config_class)(copy.deepcopy(unet))  # UNetModel empties its lists
    config.set_inference_dtype(dtype, None)
    return config.get_model({}, device=device)
