"""When guidance acts, and what it costs: counted, not timed."""

import pytest
import torch
from tiny_unet import NEGATIVE, Calls, distance, prompt, sample

STEPS = 4  # on the normal schedule: sigma 14.61, 2.918, 0.9324, 0.02917


@pytest.mark.parametrize(
    "settings", [{"sigma_start": 0.02}, {"sigma_start": 900, "sigma_end": 15}, {"scale": 0}, {"blur_sigma": 0}], ids=str
)
def test_outside_the_window_the_latent_is_bit_identical_and_costs_nothing(sag, model, plain, settings):
    with Calls(model) as calls:
        assert torch.equal(sample(sag(model, **settings)), plain)
    assert calls == [[1, 0]] * STEPS


def test_inside_the_window_one_extra_call_runs_in_the_negatives_place(sag, model, plain):
    with Calls(model) as calls:
        latent = sample(sag(model, sigma_start=3.0, sigma_end=0.9))
    assert calls == [[1, 0], [1, 0], [1], [1, 0], [1], [1, 0]]
    assert distance(latent, plain) > 1e-3


def test_both_bounds_of_the_window_are_inclusive(sag, model):
    seen = []
    probe = model.clone()
    probe.set_model_sampler_post_cfg_function(lambda args: seen.append(float(args["sigma"][0])) or args["denoised"])
    sample(probe)
    with Calls(model) as calls:
        sample(sag(model, sigma_start=seen[1], sigma_end=seen[2]))
    assert calls.count([1]) == 2


def test_a_start_of_1000_has_no_bound(sag, model):
    unbounded, bounded = sample(sag(model, sigma_start=1000.0)), sample(sag(model, sigma_start=15.0))
    assert torch.equal(unbounded, bounded)
    assert torch.equal(sample(sag(model, sigma_start=999999999.9)), bounded)


def test_heun_is_guided_in_every_evaluation(sag, model):
    with Calls(model) as calls:
        sample(sag(model), sampler="heun")
    assert calls.count([1]) == calls.count([1, 0]) == 2 * STEPS - 1


def test_a_region_costs_what_the_host_needs_for_it(sag, model):
    region = prompt(5, area=(8, 12, 4, 4))
    with Calls(model) as calls:
        sample(sag(model, sigma_start=3.0, sigma_end=2.5), negative=NEGATIVE + region)
    assert len(calls) == 2 * STEPS + 2 and calls.count([1]) == 2


def test_the_model_that_was_given_stays_as_it_is(sag, model):
    before = repr(model.model_options)
    sample(sag(model))
    assert repr(model.model_options) == before
