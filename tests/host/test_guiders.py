"""Every guider, cache and prompt: it acts, or leaves the host's result alone and says why."""

import logging
import re

import comfy.sample
import comfy.samplers
import pytest
import torch
from comfy_extras.nodes_custom_sampler import Guider_Basic, Guider_DualCFG
from comfy_extras.nodes_perpneg import Guider_PerpNeg
from tiny_unet import NEGATIVE, POSITIVE, SHAPE, Calls, distance, first_guidance, guided, noise, prompt, sample


def dual(model, nested=False):
    guider = Guider_DualCFG(model)
    guider.set_conds(POSITIVE, prompt(5), NEGATIVE)
    guider.set_cfg(5.0, 3.0, nested)
    return guider


def nested_dual(model):
    return dual(model, nested=True)


def perpneg(model):
    guider = Guider_PerpNeg(model)
    guider.set_conds(POSITIVE, NEGATIVE, prompt(6))
    guider.set_cfg(7.0, 1.0)
    return guider


def basic(model):
    guider = Guider_Basic(model)
    guider.set_conds(POSITIVE)
    return guider


@pytest.mark.parametrize("guider, place", [(dual, 0), (nested_dual, 1), (perpneg, 1)])
def test_it_acts_in_the_place_of_each_guiders_negative(sag, model, guider, place):
    plain = guided(guider(model))
    with Calls(model) as calls:
        assert distance(guided(guider(sag(model))), plain) > 1e-2
    assert calls.count([place]) == 4


def test_dual_cfg_reads_the_map_of_its_own_negative(sag, model):
    """The guidance depends on the negative alone, and so is the same under another guider with that negative."""
    expected = first_guidance(model, sag, lambda m: sample(m, steps=1))
    assert expected.norm() > 0
    assert distance(first_guidance(model, sag, lambda m: guided(dual(m), steps=1)), expected) < 1e-4


@pytest.mark.parametrize("run", [lambda m: sample(m, cfg=1.0), lambda m: guided(basic(m))], ids=["cfg 1", "basic"])
def test_without_a_negative_the_hosts_result_is_untouched_and_the_log_says_why(sag, model, lines, run):
    assert torch.equal(run(sag(model)), run(model))
    [(level, text)] = lines()
    assert level == "WARNING" and "acted on 0 of 4" in text and "4 because no negative prompt was evaluated" in text


def test_a_run_that_acted_says_so_in_one_line(sag, model, lines):
    sample(sag(model, sigma_start=3.0, sigma_end=0.5))
    [(level, line)] = lines()
    assert level == "INFO" and line == (
        "SAG delayed activation: acted on 2 of 4 model evaluations, from sigma 2.918 to 0.9324, 2 extra UNet calls"
    )


def test_a_run_outside_the_window_names_the_window_and_the_sigmas(sag, model, lines):
    sample(sag(model, sigma_start=0.02))
    [(level, text)] = lines()
    assert level == "WARNING" and "window from 0.02 to 0" in text and "14.61 to 0.02917" in text


@pytest.mark.parametrize("settings", [{"scale": 0}, {"blur_sigma": 0}], ids=str)
def test_switched_off_it_says_nothing(sag, model, lines, settings):
    sample(sag(model, **settings))
    assert lines() == []


def test_every_run_and_every_node_has_its_own_line(sag, model, lines):
    patched = sag(sag(model, sigma_start=3.0), sigma_start=1.0)
    sample(patched)
    sample(patched)
    assert len(lines()) == 4


def test_an_inactive_negative_is_skipped_and_said(sag, model, lines):
    sample(sag(model), negative=prompt(5, start_percent=0.9, end_percent=1.0))
    [(level, text)] = lines()
    assert level == "INFO" and "because the negative prompt is not active at this sigma" in text


def test_a_latent_too_small_to_blur_comes_back_untouched(sag, model, lines):
    shape = (1, 4, 4, 16)
    assert torch.equal(sample(sag(model), shape=shape), sample(model, shape=shape))
    assert "4x16 is too small to blur" in lines()[0][1]


def cached(model, name):
    from comfy_extras import nodes_easycache

    return getattr(nodes_easycache, f"{name}Node").execute(model, 0.3, 0.1, 0.95, False).args[0]


@pytest.mark.parametrize("name", ["EasyCache", "LazyCache"])
def test_the_hosts_caches_skip_as_many_steps_with_it_as_without(sag, model, caplog, name):
    caplog.set_level(logging.INFO)
    sample(cached(model, name), steps=12)
    with Calls(model) as calls:
        sample(cached(sag(model, scale=1e-6), name), steps=12)
    skipped = [r.getMessage() for r in caplog.records if f"{name} - skipped" in r.getMessage()]
    assert skipped[0] == skipped[1]
    number = int(re.search(r"skipped (\d+)/12", skipped[0])[1])
    assert 0 < number < 12 and calls.count([1]) == 12 - number  # no extra call where the UNet was skipped


def test_a_negative_beyond_ordinary_cfg_is_found_by_its_uuid_when_lists_were_copied(sag, model):
    """A node that hands copies of the lists on, as some packs do, hides their identity but not the uuids."""

    def copying(args):
        conds = [c and list(c) for c in args["conds"]]
        return comfy.samplers.calc_cond_batch(args["model"], conds, args["input"], args["sigma"], args["model_options"])

    patched = sag(model)
    expected = sample(patched)
    patched = patched.clone()
    patched.model_options["sampler_calc_cond_batch_function"] = copying
    assert torch.equal(sample(patched), expected)


def test_a_sampler_that_works_in_float64_is_guided(sag, model):
    """As packs of samplers do for their own arithmetic; the host's predictions take on the type of x."""

    def euler(denoise, x, sigmas, extra_args=None, **_):
        for sigma, following in zip(sigmas, sigmas[1:], strict=False):
            x = x.double()
            denoised = denoise(x, sigma * x.new_ones(len(x), dtype=sigma.dtype), **extra_args)
            x = x + (x - denoised) / sigma * (following - sigma)
        return x.float()

    def sampled(patched):
        sigmas = comfy.samplers.calculate_sigmas(patched.get_model_object("model_sampling"), "normal", 4)
        sampler, empty = comfy.samplers.KSAMPLER(euler), torch.zeros(SHAPE)
        return comfy.sample.sample_custom(
            patched, noise(), 7.0, sampler, sigmas, POSITIVE, NEGATIVE, empty, disable_pbar=True
        )

    expected = sample(sag(model))
    assert distance(sampled(sag(model)), expected) < 1e-4 and distance(sampled(model), expected) > 1e-2
