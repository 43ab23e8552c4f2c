"""The node equals a dense float32 reference that shares no line with it."""

import pytest
import torch
from dense_reference import DenseSAG
from tiny_unet import SHAPE, distance, prompt, sample, tiny_model


def assert_equal_to_the_reference(sag, model, **how):
    with DenseSAG(model, scale=0.8, blur_sigma=1.7) as reference:
        expected = sample(reference, **how)
    plain = sample(model, **how)
    assert distance(expected, plain) > 5e-3  # guidance shows, so agreement says something
    assert distance(sample(sag(model, 0.8, 1.7), **how), expected) < 2e-3


@pytest.mark.parametrize("size", [(16, 16), (16, 24), (32, 12), (17, 23), (9, 5)], ids=str)
@pytest.mark.parametrize("batch", [1, 3])
def test_on_square_wide_tall_odd_and_small_latents(sag, model, size, batch):
    assert_equal_to_the_reference(sag, model, shape=(batch, 4, *size), steps=3)


@pytest.mark.parametrize("depth", [3, 10])
def test_the_first_of_several_transformers_is_read(sag, depth):
    assert_equal_to_the_reference(sag, tiny_model(depth), steps=3)


@pytest.mark.parametrize("kind", ["V_PREDICTION", pytest.param("FLOW")])
def test_the_noise_is_put_back_as_the_model_noises(sag, kind):
    assert_equal_to_the_reference(sag, tiny_model(kind=kind), steps=4)


@pytest.mark.parametrize("sampler", ["heun", "dpmpp_2m", "euler_cfg_pp", "uni_pc"])
def test_with_samplers_of_every_family(sag, model, sampler):
    assert_equal_to_the_reference(sag, model, sampler=sampler)


def test_with_prompts_of_unequal_length(sag, model):
    """13 tokens against 8: the host cannot run them in one call and takes the positive first."""
    assert_equal_to_the_reference(sag, tiny_model(), negative=prompt(2, tokens=8), positive=prompt(1, tokens=16))


def test_with_an_inpainting_mask(sag, model):
    mask = torch.zeros(1, 1, *SHAPE[2:])
    mask[..., 10:] = 1.0
    assert_equal_to_the_reference(sag, model, noise_mask=mask)
