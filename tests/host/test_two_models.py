"""Guiders that run the negative on another MODEL (ComfyUI 0.24 and newer), and a cfg that changes on the way."""

import pytest
import torch
from hosts import changes_cfg, has_dual_model
from tiny_unet import NEGATIVE, POSITIVE, Calls, distance, guided, sample, tiny_model


@pytest.fixture(scope="module")
def other():
    return tiny_model(depth=2)


def dual(positive_model, negative_model, cfg=7.0):
    from comfy_extras.nodes_custom_sampler import Guider_DualModel

    guider = Guider_DualModel(positive_model, negative_model)
    guider.set_conds(POSITIVE, NEGATIVE)
    guider.set_cfg(cfg)
    return guided(guider)


@has_dual_model
def test_auto_takes_the_positive_where_another_model_ran_the_negative(advanced, model, other, lines):
    plain = dual(model, other)
    with Calls(model) as calls:
        latent = dual(advanced(model), other)
    assert calls == [[0], [0]] * 4 and distance(latent, plain) > 1e-3
    assert "acted on 4 of 4" in lines()[-1][1]


@has_dual_model
def test_the_basic_node_says_why_it_does_not_act_there(sag, model, other, lines):
    dual(sag(model), other)
    level, line = lines()[-1]
    assert level == "WARNING" and "the UNet did not run the negative prompt" in line


@has_dual_model
def test_at_cfg_1_that_guider_calls_nothing_after_cfg_and_is_told_so(sag, model, other, lines):
    dual(sag(model), other, cfg=1.0)
    level, line = lines()[-1]
    assert level == "WARNING" and "calls no function after CFG" in line


@has_dual_model
def test_on_the_negatives_model_alone_it_changes_nothing(sag, model, other, lines):
    """The run is the positive's, whose options have no SAG node: nobody is there who could say so."""
    assert torch.equal(dual(model, sag(other)), dual(model, other)) and lines() == []


@changes_cfg
def test_a_cfg_of_1_on_some_steps_is_counted_as_that(sag, model, lines):
    from comfy_extras.nodes_custom_sampler import CFGOverride

    overridden = CFGOverride.execute(sag(model), 1.0, 0.0, 0.5).args[0]
    sample(overridden)
    assert "no negative prompt was evaluated (cfg 1" in lines()[-1][1] and "acted on 2 of 4" in lines()[-1][1]
