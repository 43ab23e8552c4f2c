"""Runs that may be parts of one sampling: the level of each run's line, and a fade that no cut changes."""

import comfy.sample
import comfy.samplers
import pytest
import torch
from comfy_extras.nodes_align_your_steps import AlignYourStepsScheduler
from comfy_extras.nodes_custom_sampler import FlipSigmas, SplitSigmas
from comfy_extras.nodes_model_advanced import ModelSamplingDiscrete
from neighbours import engine, made_by
from tiny_unet import CPU, NEGATIVE, POSITIVE, distance, in_stages, noise, prompt, sample, stage

STEPS = 6
WHOLE, HALVES, SINGLE = (0, 6), (0, 3, 6), tuple(range(7))
SHAPE = (1, 4, 16, 16)
EMPTY, PICTURE = torch.zeros(SHAPE), noise(SHAPE, 5)


def normal(model, steps=4, scheduler="normal", denoise=1.0):
    return comfy.samplers.KSampler(model, steps, CPU, "euler", scheduler, denoise).sigmas


def aligned(model):
    return made_by(AlignYourStepsScheduler, "SD1", 4, 1.0)


def split(sigmas, step):
    """Both parts, of which `made_by` gives the first alone."""
    made = (SplitSigmas.execute if hasattr(SplitSigmas, "execute") else SplitSigmas().get_sigmas)(sigmas, step)
    return getattr(made, "args", made)


def zero_snr(model):
    return ModelSamplingDiscrete().patch(model, "v_prediction", True)[0]


def parts(*cuts, **how):
    """The parts as KSampler (Advanced) samples them."""
    return lambda m: in_stages(m, cuts, SHAPE, steps=STEPS, **how)


def custom(schedule, latent=EMPTY, cfg=7.0, split_at=None):
    """One schedule as SamplerCustom samples it; where it is split, one run after the other."""

    def run(m):
        sigmas, given = schedule(m), latent
        for part in [sigmas] if split_at is None else split(sigmas, split_at):
            first = torch.equal(part[:1], sigmas[:1])
            start = noise(SHAPE) if first else torch.zeros(SHAPE)
            euler = comfy.samplers.sampler_object("euler")
            given = comfy.sample.sample_custom(
                m, start, cfg, euler, part, POSITIVE, NEGATIVE, given, disable_pbar=True, seed=3
            )

    return run


def img2img(denoise, latent=PICTURE, **how):
    return custom(lambda m: normal(m, denoise=denoise), latent, **how)


def of_ddim(latent, steps=4):
    return custom(lambda m: normal(m, steps, "ddim_uniform"), latent)


def rising(m):
    return custom(lambda m: made_by(FlipSigmas, normal(m)), PICTURE)(m)


def whole(m, **how):
    sample(m, shape=SHAPE, **how)


def cfg_1_then_7(m):
    stage(m, stage(m, EMPTY, 0, 3, STEPS, cfg=1.0), 3, 6, STEPS)


def on(neighbour, run):
    """The run with another node before the sampler."""
    return lambda m: run(neighbour(m))


NEVER, HIGH, LOW = {"sigma_start": 0.02}, {"sigma_end": 10.0}, {"sigma_start": 1.0}
CASES = {  # what is sampled: window, runs, and the level of each run's line
    "a whole sampling": ({}, whole, "INFO"),
    "a whole sampling, and no step in the window": (NEVER, whole, "WARNING"),
    "two stages": ({}, parts(*HALVES), "INFO INFO"),
    "two stages, and the window in the first": (HIGH, parts(*HALVES), "INFO INFO"),
    "two stages, and the window in the second": (LOW, parts(*HALVES), "INFO INFO"),
    "two stages, and the window in neither": (NEVER, parts(*HALVES), "INFO INFO"),
    "SplitSigmas, and the window in the first part": (HIGH, custom(normal, split_at=2), "INFO INFO"),
    "SplitSigmas, and the window in the second": (LOW, custom(normal, split_at=2), "INFO INFO"),
    "SplitSigmas at its end, [0] left over": ({}, custom(normal, split_at=4), "INFO"),
    "SplitSigmas at its end, and no step in the window": (NEVER, custom(normal, split_at=4), "WARNING"),
    "SplitSigmas at its start, a part without a step": ({}, custom(normal, split_at=0), "INFO"),
    "step by step": ({"sigma_start": 1.0, "sigma_end": 0.2}, parts(*SINGLE), " ".join(["INFO"] * STEPS)),
    "step by step, and no step in the window": (NEVER, parts(*SINGLE), " ".join(["INFO"] * STEPS)),
    "img2img at denoise 0.5": ({}, img2img(0.5), "INFO"),
    "img2img at denoise 0.5, below the window": (HIGH, img2img(0.5), "INFO"),
    "img2img at denoise 0.5 of an empty latent, below the window": (HIGH, img2img(0.5, EMPTY), "WARNING"),
    "img2img at denoise 1, and no step in the window": (NEVER, img2img(1.0), "WARNING"),
    "ddim_uniform": ({}, of_ddim(EMPTY), "INFO"),
    "ddim_uniform, and no step in the window": (NEVER, of_ddim(EMPTY), "WARNING"),
    "ddim_uniform of a picture: it begins at 28 % of the largest sigma": (NEVER, of_ddim(PICTURE), "INFO"),
    "ddim_uniform of a picture: it begins at 99 % of the largest sigma": (NEVER, of_ddim(PICTURE, 6), "INFO"),
    "AYS": ({}, custom(aligned), "INFO"),
    "AYS of a picture, and no step in the window": (NEVER, custom(aligned, PICTURE), "WARNING"),
    "zero-terminal-SNR": ({"sigma_start": 1000.0}, on(zero_snr, whole), "INFO"),
    "zero-terminal-SNR of a picture, and no step in the window": (NEVER, on(zero_snr, img2img(1.0)), "WARNING"),
    "a rising schedule": ({}, rising, "INFO"),
    "a rising schedule, and no step in the window": (NEVER, rising, "INFO"),
    "cfg 1": ({}, lambda m: whole(m, cfg=1.0), "WARNING"),
    "cfg 1 in both stages": ({}, parts(*HALVES, cfg=1.0), "INFO INFO"),
    "cfg 1 in the first stage": ({}, cfg_1_then_7, "INFO INFO"),
    "cfg 1 in img2img": ({}, img2img(0.5, cfg=1.0), "INFO"),
    "a negative that is never active": ({}, lambda m: whole(m, negative=prompt(5, start_percent=1.0)), "WARNING"),
    "kept from acting": ({}, on(engine, whole), "WARNING"),
    "kept from acting in both stages": ({}, on(engine, parts(*HALVES)), "WARNING WARNING"),
    "kept from acting in img2img": ({}, on(engine, img2img(0.5)), "WARNING"),
    "kept from acting, and no step in the window": (HIGH, on(engine, img2img(0.5)), "INFO"),
}  # fmt: skip


@pytest.mark.parametrize("window, run, levels", CASES.values(), ids=CASES)
def test_a_line_warns_where_its_own_run_shows_that_something_is_wrong(sag, model, lines, window, run, levels):
    run(sag(model, **window))
    assert [level for level, _ in lines()] == levels.split()


def test_of_two_nodes_the_one_that_never_acts_is_warned_of_however_often_the_other_did(sag, model, lines):
    patched = sag(sag(model), **NEVER)
    for _ in range(2):
        whole(patched)
    assert sorted(level for level, _ in lines()) == ["INFO", "INFO", "WARNING", "WARNING"]


@pytest.mark.parametrize("fade", ["in", "out", "in and out"])
def test_with_both_bounds_typed_a_fade_is_the_same_however_the_schedule_is_cut(advanced, model, fade):
    window = {"sigma_start": 10.0, "sigma_end": 0.2}
    whole, *cut = (parts(*cuts)(advanced(model, fade=fade, **window)) for cuts in (WHOLE, HALVES, SINGLE))
    effect = distance(parts(*WHOLE)(advanced(model, **window)), whole)
    assert effect > 1e-3 and all(distance(latent, whole) < 0.01 * effect for latent in cut)
