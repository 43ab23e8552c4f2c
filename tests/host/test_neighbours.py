"""Other nodes before and after it, on the same hooks."""

import logging

import pytest
import torch
from hosts import has_attention_override
from neighbours import NEIGHBOURS, core_sag, counting_replace, pag
from tiny_unet import Calls, distance, sample


def test_pag_keeps_its_effect_before_and_after_it(sag, model, plain):
    alone, guidance = distance(sample(pag(model)), plain), sample(sag(model))
    for both in (pag(sag(model)), sag(pag(model))):
        assert distance(sample(both), guidance) > 0.8 * alone > 1e-2


def test_it_equals_core_sag_where_that_one_is_right(sag, model, plain):
    assert distance(sample(core_sag(model)), plain) > 1e-2
    assert distance(sample(sag(model)), sample(core_sag(model))) < 1e-5


def test_both_act_with_core_sag_before_it(sag, model):
    assert distance(sample(sag(core_sag(model))), sample(core_sag(model))) > 1e-2


def test_core_sag_after_it_takes_the_attention_away_and_is_named(sag, model, said):
    assert torch.equal(sample(core_sag(sag(model))), sample(core_sag(model)))
    assert "comfy_extras.nodes_sag replaced the middle block's attention" in said()


@pytest.mark.parametrize("index", [None, 0], ids=["under the block", "under the transformer"])
@pytest.mark.parametrize("window", [15.0, 0.01], ids=["inside", "outside"])
def test_an_earlier_replace_keeps_running(sag, model, index, window):
    earlier = model.clone()
    earlier.set_model_attn1_replace(lambda q, k, v, extra_options: v, "middle", 0, index)
    without = sample(earlier)
    latent = sample(sag(earlier, sigma_start=window))
    assert distance(without, sample(model)) > 1e-3
    if window < 1:
        assert torch.equal(latent, without)
    else:
        assert 1e-3 < distance(latent, without) and distance(latent, sample(sag(model))) > 1e-3


@pytest.mark.parametrize("index", [None, 0], ids=["under the block", "under the transformer"])
def test_what_the_host_asks_of_an_earlier_replace_reaches_it_through_two_nodes(sag, model, index):
    earlier = counting_replace(model, index)
    patched = sag(sag(earlier))
    patched.model_patches_to(torch.device("meta"))
    patched.model_patches_to(torch.float16)
    assert patched.model_patches_models() == [] == earlier.model_patches_models()
    assert earlier.asked == [
        ("to", torch.device("meta")), ("to", torch.float16), ("models", torch.float16), ("models", "here"),
    ]  # fmt: skip
    if hasattr(patched, "model_patches_call_function"):
        patched.model_patches_call_function()
        assert earlier.asked[-1] == ("cleanup", torch.float16)
    assert 1e-3 < distance(sample(patched), sample(earlier)) < 1


def test_two_windows_are_a_schedule_of_scales(sag, model):
    with Calls(model) as calls:
        latent = sample(sag(sag(model, 0.5, sigma_start=15, sigma_end=1), 0.5, sigma_start=0.95, sigma_end=0))
    assert calls == [[1, 0], [1]] * 4
    assert distance(latent, sample(sag(model, 0.5))) < 1e-5


def test_two_nodes_in_one_window_add_up(sag, model):
    with Calls(model) as calls:
        latent = sample(sag(sag(model, 0.25), 0.25))
    assert calls == [[1, 0], [1], [1]] * 4
    assert distance(latent, sample(sag(model, 0.5))) < 1e-5


@pytest.mark.parametrize("neighbour", NEIGHBOURS.values(), ids=NEIGHBOURS)
@pytest.mark.parametrize("first", [True, False], ids=["before it", "after it"])
def test_it_acts_beside(sag, model, neighbour, first):
    beside = sag(neighbour(model)) if first else neighbour(sag(model))
    with Calls(model) as calls:
        latent = sample(beside)
    assert torch.isfinite(latent).all() and calls.count([1]) == 4
    assert distance(latent, sample(neighbour(model))) > 1e-2


def test_a_model_function_wrapper_sees_the_extra_call_as_the_negative(sag, model):
    places = []

    def wrapper(apply_model, args):
        places.append(args["cond_or_uncond"])
        return apply_model(args["input"], args["timestep"], **args["c"])

    wrapped = model.clone()
    wrapped.set_model_unet_function_wrapper(wrapper)
    assert torch.equal(sample(sag(wrapped)), sample(sag(model)))
    assert places == [[1, 0], [1]] * 4


def test_patched_and_unpatched_do_not_reload_the_model(sag, model, caplog):
    caplog.set_level(logging.INFO)
    sample(model)
    caplog.clear()
    sample(sag(model))
    sample(model)
    assert not [r for r in caplog.records if "loaded completely" in r.getMessage()]


@has_attention_override
def test_the_hosts_attention_override_reaches_the_middle_block(sag, model):
    blocks = []

    def override(attention, *args, **kwargs):
        blocks.append(kwargs["transformer_options"]["block"])
        return attention(*args, **kwargs)

    patched = sag(model).clone()
    patched.model_options["transformer_options"]["optimized_attention_override"] = override
    sample(patched, steps=1)
    assert ("middle", 0) in blocks
