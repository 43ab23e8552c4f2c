"""A tiny random UNet of the host's own class, and what is needed to sample it on the CPU in under a second."""

from __future__ import annotations

import itertools

import comfy.latent_formats
import comfy.model_base
import comfy.model_patcher
import comfy.sample
import comfy.samplers
import comfy.supported_models_base
import torch

CONTEXT = 16
CPU = torch.device("cpu")


class TinyConfig(comfy.supported_models_base.BASE):
    """The host's config for a UNet of two levels with attention on both."""

    latent_format = comfy.latent_formats.SD15
    unet_extra_config = {"num_heads": 4, "num_head_channels": -1}


def tiny_model(depth: int = 1, kind: str = "EPS", **unet) -> comfy.model_patcher.ModelPatcher:
    """A MODEL with `depth` transformers in its middle block (-1, -2: none at all), of the ModelType named `kind`."""
    config = {
        "image_size": 32, "in_channels": 4, "out_channels": 4, "model_channels": 32, "num_res_blocks": [1, 1],
        "channel_mult": (1, 2), "use_spatial_transformer": True, "transformer_depth": [1, 1],
        "transformer_depth_output": [1, 1, 1, 1], "transformer_depth_middle": depth, "context_dim": CONTEXT,
        "legacy": False, "use_linear_in_transformer": False, **unet,
    }  # fmt: skip
    config = TinyConfig(config)
    config.unet_config.setdefault("dtype", torch.float32)
    model = comfy.model_base.BaseModel(config, comfy.model_base.ModelType[kind], device="cpu")
    dice = torch.Generator().manual_seed(0)
    for parameter in model.diffusion_model.parameters():
        parameter.requires_grad_(False)
        spread = 0.3 if parameter.ndim < 2 else 1.2 * parameter[0].numel() ** -0.5
        parameter.normal_(std=spread, generator=dice)
    return comfy.model_patcher.ModelPatcher(model, CPU, CPU)


def prompt(seed: int, tokens: int = 8, context: int = CONTEXT, **settings) -> list:
    """A CONDITIONING of one random prompt; `settings` are the host's own (area, strength, mask, start_percent...)."""
    return [[torch.randn(1, tokens, context, generator=torch.Generator().manual_seed(seed)), settings]]


POSITIVE, NEGATIVE = prompt(1), prompt(2)
SHAPE = (1, 4, 16, 24)


def noise(shape=SHAPE, seed: int = 3) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def sample(
    model, positive=POSITIVE, negative=NEGATIVE, cfg=7.0, steps=4, shape=SHAPE, sampler="euler", scheduler="normal",
    **more,
):  # fmt: skip
    """The latent [B, 4, h, w] that the host's own sampling gives."""
    start, empty = noise(shape), torch.zeros(shape)
    return comfy.sample.sample(
        model, start, steps, cfg, sampler, scheduler, positive, negative, empty, disable_pbar=True, seed=3, **more
    )


def stage(model, latent, first, last, steps=10, cfg=7.0, sampler="euler", scheduler="normal", seed=3):
    """The latent after steps `first` to `last`, as KSampler (Advanced) gives it: the first stage alone adds noise."""
    start = noise(tuple(latent.shape), seed) if first == 0 else torch.zeros_like(latent)
    return comfy.sample.sample(
        model, start, steps, cfg, sampler, scheduler, POSITIVE, NEGATIVE, latent, start_step=first, last_step=last,
        disable_pbar=True, seed=seed,
    )  # fmt: skip


def in_stages(model, cuts, shape=SHAPE, **more) -> torch.Tensor:
    """The latent of one sampling that is cut into runs at the steps `cuts`."""
    latent = torch.zeros(shape)
    for first, last in itertools.pairwise(cuts):
        latent = stage(model, latent, first, last, **more)
    return latent


def guided(guider, steps=4, shape=SHAPE):
    """The latent that one of the host's guiders gives, its conds and cfg already set."""
    sigmas = comfy.samplers.calculate_sigmas(guider.model_patcher.get_model_object("model_sampling"), "normal", steps)
    sampler = comfy.samplers.sampler_object("euler")
    return guider.sample(noise(shape), torch.zeros(shape), sampler, sigmas, disable_pbar=True, seed=3)


class Bare(comfy.samplers.CFGGuider):
    """A guider that evaluates both prompts and calls nothing after CFG."""

    def predict_noise(self, x, timestep, model_options={}, seed=None):  # noqa: B006  as the host has it
        conds = [self.conds["positive"], self.conds["negative"]]
        return comfy.samplers.calc_cond_batch(self.inner_model, conds, x, timestep, model_options)[0]


def bare(model):
    """The latent that it gives."""
    guider = Bare(model)
    guider.set_conds(POSITIVE, NEGATIVE)
    return guided(guider)


def guidances(model, patch, run=sample) -> list[tuple]:
    """What `patch` adds to `denoised` in each evaluation of a run, with the prediction of the positive prompt."""
    seen = []

    def note(args):
        seen.append((args["denoised"], args["cond_denoised"]))
        return args["denoised"]

    before = model.clone()
    before.set_model_sampler_post_cfg_function(note)
    patched = patch(before)
    patched.set_model_sampler_post_cfg_function(note)
    run(patched)
    return [(after - base, base, cond) for (base, cond), (after, _) in zip(seen[::2], seen[1::2], strict=True)]


def first_guidance(model, patch, run) -> torch.Tensor:
    """What `patch` adds to `denoised` in the first evaluation of `run`."""
    return guidances(model, patch, run)[0][0]


def failing(model, at: int, error: BaseException):
    """A clone of `model` whose UNet raises `error` in that call of it, counted from 1."""
    broken, calls = model.clone(), itertools.count(1)

    def fail(apply_model, options):
        if next(calls) == at:
            raise error
        return apply_model(options["input"], options["timestep"], **options["c"])

    broken.set_model_unet_function_wrapper(fail)
    return broken


class Calls(list):
    """The `cond_or_uncond` of every UNet call made while it is in use."""

    def __init__(self, model) -> None:
        self.unet = model.model.diffusion_model

    def __enter__(self) -> Calls:
        forward = self.unet.forward

        def counting(*args, **options):
            self.append(list(options["transformer_options"]["cond_or_uncond"]))
            return forward(*args, **options)

        self.unet.forward = counting
        return self

    def __exit__(self, *_) -> None:
        del self.unet.forward


def distance(a: torch.Tensor, b: torch.Tensor) -> float:
    """Relative difference |a - b| / |b|; NaN is never small."""
    return ((a - b).norm() / b.norm()).item()
