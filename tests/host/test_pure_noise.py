"""Sigma 1 of a flow model, where the latent is noise alone: an extra call would repeat the first one exactly."""

import comfy.samplers
import pytest
from tiny_unet import Calls, sample, tiny_model

from sag_delayed_activation.sampling.self_attention import is_pure_noise


@pytest.fixture(scope="module")
def flow():
    return tiny_model(kind="FLOW")


def test_the_step_is_skipped_before_its_call_and_the_log_says_why(sag, flow, said):
    sigmas = comfy.samplers.calculate_sigmas(flow.get_model_object("model_sampling"), "simple", 4)
    assert sigmas[0] == 1
    with Calls(flow) as calls:
        sample(sag(flow), scheduler="simple")
    assert calls == [[1, 0], [1, 0], [1], [1, 0], [1], [1, 0], [1]]
    assert "skipped 1 in the window: 1 because at sigma 1 a flow model's latent is pure noise" in said()


@pytest.mark.parametrize("sigma, pure", [(1.0, True), (0.9999, True), (0.998, False), (0.5, False)])
def test_a_flow_models_latent_is_pure_noise_at_1_and_next_to_it(flow, sigma, pure):
    assert is_pure_noise(sigma, flow.get_model_object("model_sampling")) is pure


@pytest.mark.parametrize("sigma", [0.5, 1.0, 14.6])
def test_a_latent_of_other_models_holds_x0_at_every_sigma(model, sigma):
    assert not is_pure_noise(sigma, model.get_model_object("model_sampling"))
