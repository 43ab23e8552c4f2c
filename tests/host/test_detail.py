"""`detail`: what the blur took away, given back in part."""

import comfy.samplers
import pytest
import torch
from dense_reference import DenseSAG
from tiny_unet import NEGATIVE, Calls, distance, first_guidance, guidances, prompt, sample

from sag_delayed_activation.nodes_advanced import SelfAttentionGuidanceAdvanced

pytestmark = pytest.mark.host


def advanced(model, scale=0.5, sigma_start=15.0, **settings):
    return SelfAttentionGuidanceAdvanced().patch(model, scale, 2.0, sigma_start, 0.0, **settings)[0]


def test_at_0_the_latent_is_that_of_the_basic_node_to_the_bit(sag, model):
    assert torch.equal(sample(advanced(model, detail=0.0)), sample(sag(model)))


@pytest.mark.parametrize("detail", [0.5, 1.0])
def test_it_equals_the_reference(model, detail):
    with DenseSAG(model, 0.8, 2.0, detail=detail) as reference:
        expected = sample(reference, steps=3)
    found = sample(advanced(model, 0.8, detail=detail), steps=3)
    assert distance(expected, sample(advanced(model, 0.8), steps=3)) > 5e-3
    assert distance(found, expected) < 2e-3


def test_it_takes_no_more_calls(model):
    with Calls(model) as calls:
        sample(advanced(model, detail=0.5))
    assert calls == [[1, 0], [1]] * 4


def test_a_negative_scale_turns_all_of_it(model):
    there, back = (first_guidance(model, lambda m, s=s: advanced(m, s, detail=0.7), sample) for s in (0.5, -0.5))
    assert distance(there, -back) < 1e-4


def test_with_an_empty_mask_nothing_was_taken(model):
    plain, given = (first_guidance(model, lambda m, d=d: advanced(m, threshold=4.0, detail=d), sample) for d in (0, 1))
    assert torch.equal(plain, given)


def test_several_negatives_and_the_positive_branch_work_with_it(model):
    two = NEGATIVE + prompt(5, area=(12, 20, 4, 8))
    for run in (lambda m: sample(m, negative=two), lambda m: sample(m, cfg=1.0)):
        without, given = (first_guidance(model, lambda m, d=d: advanced(m, detail=d), run) for d in (0.0, 0.5))
        assert distance(given, without) > 1e-2


def test_with_every_the_reused_guidance_is_nearer_to_the_computed_one_than_if_all_of_it_fell(model):
    def found(every):
        return [g for g, _, _ in guidances(model, lambda m: advanced(m, 1.0, detail=1.0, every=every), ten_steps)]

    def ten_steps(m):
        return sample(m, steps=10)

    sigmas = comfy.samplers.calculate_sigmas(model.get_model_object("model_sampling"), "normal", 10).tolist()
    computed, reused = found(1), found(2)
    all_fell = reused[0] * (sigmas[1] / sigmas[0])
    assert distance(reused[1], computed[1]) < 0.8 * distance(all_fell, computed[1])
