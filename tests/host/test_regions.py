"""The map is the whole frame's, however ComfyUI splits an evaluation."""

import uuid

import pytest
import torch
from tiny_unet import NEGATIVE, POSITIVE, SHAPE, Calls, distance, prompt, sample

from sag_delayed_activation.sampling.branch import active_regions

AREA = {"area": (8, 12, 4, 4)}
MASK = {"mask": (torch.arange(24) < 12).float().expand(1, 16, 24)}


def guided(model, **how):
    """The latent of two steps."""
    return sample(model, steps=2, **how)


@pytest.fixture(scope="module")
def patched(sag, model):
    return sag(model)


@pytest.fixture(scope="module")
def alone(patched):
    """The latent of one prompt a side."""
    return guided(patched)


def test_short_memory_splits_the_calls_and_changes_nothing(sag, model, monkeypatch):
    together = sample(sag(model))
    monkeypatch.setattr(model.model, "memory_required", lambda *_, **__: 1e30)
    with Calls(model) as calls:
        assert distance(sample(sag(model)), together) < 1e-4
    assert [1] in calls and [0] in calls and [1, 0] not in calls


@pytest.mark.parametrize("other", [{}, AREA, MASK, {"strength": 0.5}], ids=["whole", "area", "mask", "strength"])
def test_the_order_of_negatives_does_not_matter(patched, alone, other):
    second = prompt(5, **other)
    one, two = (guided(patched, negative=both) for both in (NEGATIVE + second, second + NEGATIVE))
    assert distance(one, alone) > 1e-2 and distance(one, two) < 1e-4


VANISHING = [("negative", {}), ("negative", AREA), ("negative", MASK), ("positive", AREA)]


@pytest.mark.parametrize("side, other", VANISHING, ids=["whole", "area", "mask", "area of the positive"])
def test_a_prompt_whose_strength_vanishes_leaves_no_trace(patched, alone, side, other):
    """For a region of the positive ComfyUI gives the negative a twin, under the positive's uuid."""
    first = {"negative": NEGATIVE, "positive": POSITIVE}[side]
    full, faint = (guided(patched, **{side: first + prompt(5, strength=s, **other)}) for s in (1.0, 1e-5))
    assert distance(full, alone) > 1e-2 and distance(faint, alone) < 5e-3


def test_the_twin_of_a_positive_region_counts_in_the_mask(patched, model):
    """The twin is the same negative prompt again, seen through a smaller crop."""
    both = POSITIVE + prompt(5, **AREA)
    assert distance(guided(patched, positive=both), guided(model, positive=both)) > 1e-2


def test_a_negative_that_is_only_a_region_still_guides(sag, model):
    """Its uuid ran in the positive's place too, on the twin that ComfyUI adds there."""
    with Calls(model) as calls:
        latent = sample(sag(model), negative=prompt(5, **AREA))
    assert calls.count([1]) == 4
    assert not torch.equal(latent, sample(model, negative=prompt(5, **AREA)))


def test_a_negative_counts_only_while_it_is_active(sag, model):
    with Calls(model) as calls:
        sample(sag(model), negative=prompt(5, start_percent=0.9, end_percent=1.0))
    assert 0 < calls.count([1]) < 4


def test_a_default_prompt_takes_the_remainder(patched, model):
    right = {"mask": 1 - MASK["mask"]}
    default, mirrored = (prompt(5, **MASK) + prompt(6, **rest) for rest in ({"default": True}, right))
    with_default = guided(patched, negative=default)
    assert distance(with_default, guided(model, negative=default)) > 1e-2
    assert distance(with_default, guided(patched, negative=mirrored)) < 1e-4


def test_a_prompt_that_is_not_active_hides_none_that_stands_behind_it():
    over, present = ({"model_conds": {}, "uuid": uuid.uuid4(), **when} for when in ({"timestep_end": 2.0}, {}))
    assert [region.prompt for region in active_regions([over, present], torch.zeros(SHAPE), torch.ones(1))] == [present]


@pytest.mark.parametrize("strength, left", [(0.25, 0.75), (1.0, 0.0), (3.0, 0.0)])
def test_where_the_others_took_all_or_more_a_default_prompt_has_no_weight(strength, left):
    both = {"model_conds": {}, "uuid": uuid.uuid4()}
    prompts = [{**both, "default": True}, {**both, "strength": strength}]
    first, rest = active_regions(prompts, torch.zeros(SHAPE), torch.ones(1))
    assert first.prompt is prompts[1] and rest.weight.unique().tolist() == [left]


def test_batches_are_masked_one_by_one(sag, model):
    shape = (2, *SHAPE[1:])
    both = sample(sag(model), shape=shape)
    first = sample(sag(model))
    assert distance(both[:1], first) < 1e-4 and distance(both[1:], first) > 1e-1


def test_it_acts_on_a_negative_with_weight_hooks(sag, model):
    import comfy.hooks as comfy_hooks

    hook, weight = comfy_hooks.WeightHook(strength_model=1.0), "middle_block.1.transformer_blocks.0.attn2.to_v.weight"
    hook.weights, hook.need_weight_init = {f"diffusion_model.{weight}": ("diff", (torch.ones(64, 16),))}, False
    group = comfy_hooks.HookGroup()
    group.add(hook)
    negative = prompt(2, hooks=group)
    plain = sample(model, negative=negative)
    with Calls(model) as calls:
        assert distance(sample(sag(model), negative=negative), plain) > 1e-2
    assert calls == [[0], [1], [1]] * 4


def test_context_windows_over_space_are_left_alone_and_said(sag, model, said):
    import comfy.context_windows as windows

    windowed = model.clone()
    schedule = windows.get_matching_context_schedule("standard_static")
    fuse = windows.get_matching_fuse_method("pyramid")
    windowed.model_options["context_handler"] = windows.IndexListContextHandler(schedule, fuse, 16, 8, dim=3)
    assert torch.equal(sample(sag(windowed)), sample(windowed))
    assert "in parts (context windows)" in said()
