"""Packs that users run beside this one, each as the few lines of its hook in `neighbours`."""

import re

import comfy.samplers
import pytest
import torch
from neighbours import (
    OTHER_IMAGE,
    answered_from_memory,
    beside,
    deep_cache,
    dynamic_thresholding,
    engine,
    fixed_batch,
    hooked,
    hypertile_to_the_middle,
    ip_adapter,
    nag,
    orders,
    reference_only,
    rescale_cfg,
    skimmed_cfg,
    sliding,
    tiled_diffusion,
    token_merging_in_the_middle,
)
from tiny_unet import SHAPE, Calls, distance, first_guidance, sample

from sag_delayed_activation.sampling.masks import MASK_STORE

FRAMES = (8, 4, 16, 16)

ACTING = {
    "IPAdapter": ip_adapter(),
    "NAG": nag,
    "Skimmed CFG": skimmed_cfg,
    "Dynamic Thresholding": dynamic_thresholding,
    "RescaleCFG": rescale_cfg,
}
LEFT_ALONE = {
    "Tiled Diffusion": (tiled_diffusion, "the UNet did not run all of the negative prompt"),
    "HyperTile to the middle": (hypertile_to_the_middle, "does not fit a 8x12 map"),
    "ToMe in the middle": (token_merging_in_the_middle, "another node changed the keys: 48 do not fit a 8x12 map"),
    "ReferenceOnly": (reference_only, "another node changed the keys: 192 do not fit a 8x12 map"),
    "an engine": (engine, "the UNet did not run: a cache skipped it, or an engine ran in its place"),
    "DeepCache": (deep_cache, "DeepCache would answer with features of another call"),
}
def each(packs):
    return pytest.mark.parametrize("pack", packs.values(), ids=packs)


@each(ACTING)
@orders
def test_inside_the_window_both_act(sag, model, pack, first):
    latent = sample(beside(pack, sag, model, first))
    assert torch.isfinite(latent).all()
    assert distance(latent, sample(pack(model))) > 1e-3 and distance(latent, sample(sag(model))) > 1e-3


@each(ACTING | {name: pack for name, (pack, _) in LEFT_ALONE.items()})
@orders
def test_outside_the_window_the_packs_own_result_comes_to_the_bit(sag, model, plain, pack, first):
    alone = sample(pack(model))
    assert distance(alone, plain) > 1e-3
    assert torch.equal(sample(beside(pack, lambda m: sag(m, sigma_start=0.01), model, first)), alone)


@pytest.mark.parametrize("pack, why", LEFT_ALONE.values(), ids=LEFT_ALONE)
@orders
def test_what_hides_the_tokens_from_it_is_left_alone_and_said(sag, model, said, pack, why, first):
    with Calls(model) as calls:
        latent = sample(beside(pack, sag, model, first))
    assert torch.equal(latent, sample(pack(model))) and [1] not in calls
    assert "skipped 4 in the window: 4 because" in said() and why in said()


@orders
def test_an_answer_that_the_unet_did_not_give_is_not_taken_for_guidance(sag, model, said, first):
    latent = sample(beside(answered_from_memory, sag, model, first))
    assert torch.equal(latent, sample(answered_from_memory(model)))
    assert "skipped 4 in the window: 4 because a cache answered in the UNet's place" in said()


@each({name: pack for name, pack in ACTING.items() if name != "IPAdapter"})
@orders
def test_what_leaves_the_negative_alone_or_replaces_its_prediction_leaves_the_guidance_alone(sag, model, pack, first):
    """On the first evaluation, where the latent is still the same."""
    expected = first_guidance(model, sag, one_step)
    found = first_guidance(model, lambda m: beside(pack, sag, m, first), one_step)
    assert distance(found, expected) < 1e-3 < expected.norm()


def one_step(model):
    return sample(model, steps=1)


def test_the_degraded_pass_sees_the_image_of_ip_adapters_negative(sag, model):
    used = []
    sample(ip_adapter(used=used)(sag(model)))
    assert used == [[1, 0], [1]] * 4

    def guidance(**images):
        return first_guidance(ip_adapter(**images)(model), sag, one_step)

    assert distance(guidance(positive=OTHER_IMAGE), guidance()) < 1e-4
    assert distance(guidance(negative=OTHER_IMAGE), guidance()) > 1e-2


def test_the_degraded_pass_of_the_positive_sees_the_positives_image(advanced, model):
    used = []
    sample(advanced(ip_adapter(used=used)(model), branch="positive"))
    assert used == [[1, 0], [0]] * 4


@orders
def test_a_fixed_batch_of_two_changes_nothing_where_the_calls_fit_into_it(sag, model, first):
    with Calls(model) as calls:
        latent = sample(beside(fixed_batch, sag, model, first))
    assert calls == [[1, 0], [1]] * 4
    assert distance(latent, sample(sag(model))) < 1e-5


def test_a_call_that_a_fixed_batch_takes_apart_is_left_alone_and_said(sag, model, said):
    shape = (2, *SHAPE[1:])
    latent = sample(sag(fixed_batch(model)), shape=shape)
    assert torch.equal(latent, sample(fixed_batch(model), shape=shape))
    assert re.search(r"attention of (\d) rows does not fit \1 x 2 pictures: another node splits the batch", said())


def test_rows_that_do_not_divide_among_the_prompts_are_left_alone_and_said(sag, model, said):
    """An engine built for three rows that fills up with copies: two prompts, three rows."""

    def three(apply_model, args):
        def fill(t):
            return torch.cat([t, t[:1]]) if torch.is_tensor(t) and len(t) == 2 else t

        c = {name: fill(value) for name, value in args["c"].items()}
        return apply_model(fill(args["input"]), fill(args["timestep"]), **c)[: len(args["input"])]

    filled = hooked(lambda m: m.set_model_unet_function_wrapper(three))(model)
    with Calls(model) as calls:
        assert torch.equal(sample(sag(filled)), sample(filled))
    assert [1] not in calls and "attention of 3 rows does not fit 2 x 1 pictures" in said()


def test_sliding_contexts_over_frames_are_left_alone(sag, model, monkeypatch):
    """As a pack has them that swaps the host's function."""
    monkeypatch.setattr(comfy.samplers, "calc_cond_batch", sliding(comfy.samplers.calc_cond_batch))
    with Calls(model) as calls:
        latent = sample(sag(model), shape=FRAMES, steps=2)
    assert [1] not in calls and torch.equal(latent, sample(model, shape=FRAMES, steps=2))


@orders
def test_sliding_contexts_in_a_wrapper_are_left_alone_and_said(sag, model, said, first):
    """As AnimateDiff-Evolved has them."""
    contexts = hooked(lambda m: m.add_wrapper_with_key("calc_cond_batch", "contexts", lambda executor, *args: sliding(
        executor)(*args)))  # fmt: skip
    with Calls(model) as calls:
        latent = sample(beside(contexts, sag, model, first), shape=FRAMES, steps=2)
    assert [1] not in calls and torch.equal(latent, sample(contexts(model), shape=FRAMES, steps=2))
    assert "2 because" in said()


@pytest.fixture
def copied_options(monkeypatch):
    """AnimateDiff-Evolved: the host's sampling function, given copies of the run's options, new ones each time."""
    original = comfy.samplers.sampling_function

    def evaluate(model, x, timestep, uncond, cond, cond_scale, model_options=None, seed=None):
        copied = {**model_options, "transformer_options": {**model_options["transformer_options"]}}
        return original(model, x, timestep, uncond, cond, cond_scale, copied, seed)

    monkeypatch.setattr(comfy.samplers, "sampling_function", evaluate)


def test_a_pack_that_copies_the_options_for_every_evaluation_leaves_one_run(advanced, model, lines, copied_options):
    patched = advanced(model, every=2)
    with Calls(model) as calls:
        sample(patched)
    [(_, line)] = lines()
    assert "acted on 4 of 4" in line and calls.count([1]) == 2
    assert len(patched.model_options[MASK_STORE].runs[SHAPE][-1].steps) == 4
