"""The map is the whole frame's, however ComfyUI splits the negative prompt."""

import gc
import uuid

import pytest
import torch
from tiny_unet import NEGATIVE, POSITIVE, SHAPE, Calls, distance, prompt, sample

from sag_delayed_activation.sampling.branch import active_regions

pytestmark = pytest.mark.host

AREA = {"area": (12, 20, 4, 8)}
MASK = {"mask": (torch.arange(40) < 20).float().expand(1, 24, 40)}


def effect(sag, model, **how):
    """How far SAG moves the latent."""
    return distance(sample(sag(model), **how), sample(model, **how))


def test_short_memory_splits_the_calls_and_changes_nothing(sag, model, monkeypatch):
    together = sample(sag(model))
    monkeypatch.setattr(model.model, "memory_required", lambda *_, **__: 1e30)
    with Calls(model) as calls:
        assert distance(sample(sag(model)), together) < 1e-4
    assert [1] in calls and [0] in calls and [1, 0] not in calls


@pytest.mark.parametrize("other", [{}, AREA, MASK, {"strength": 0.5}], ids=["whole", "area", "mask", "strength"])
def test_the_order_of_negatives_does_not_matter(sag, model, other):
    second = prompt(5, **other)
    one, two = sample(sag(model), negative=NEGATIVE + second), sample(sag(model), negative=second + NEGATIVE)
    assert distance(one, sample(sag(model))) > 1e-2
    assert distance(one, two) < 1e-4


@pytest.mark.parametrize("other", [{}, AREA, MASK], ids=["whole", "area", "mask"])
def test_a_negative_whose_strength_vanishes_leaves_no_trace(sag, model, other):
    alone = sample(sag(model))
    assert distance(sample(sag(model), negative=NEGATIVE + prompt(5, **other)), alone) > 1e-2
    assert distance(sample(sag(model), negative=NEGATIVE + prompt(5, strength=1e-5, **other)), alone) < 5e-3


def test_a_vanishing_region_of_the_positive_leaves_no_trace(sag, model):
    """ComfyUI gives the negative a twin of that region, under the positive's uuid."""
    alone = sample(sag(model))
    assert distance(sample(sag(model), positive=POSITIVE + prompt(5, **AREA)), alone) > 1e-2
    assert distance(sample(sag(model), positive=POSITIVE + prompt(5, strength=1e-5, **AREA)), alone) < 5e-3


def test_the_twin_of_a_positive_region_counts_in_the_mask(sag, model):
    """The twin is the same negative prompt again, seen through a smaller crop."""
    assert effect(sag, model, positive=POSITIVE + prompt(5, **AREA)) > 1e-2


def test_a_negative_that_is_only_a_region_still_guides(sag, model):
    """Its uuid ran in the positive's place too, on the twin that ComfyUI adds there."""
    with Calls(model) as calls:
        latent = sample(sag(model), negative=prompt(5, **AREA))
    assert calls.count([1]) == 4
    assert not torch.equal(latent, sample(model, negative=prompt(5, **AREA)))


def test_a_negative_counts_only_while_it_is_active(sag, model):
    late = prompt(5, start_percent=0.9, end_percent=1.0)
    with Calls(model) as calls:
        sample(sag(model), negative=late)
    acting = calls.count([1])
    assert 0 < acting < 4


def test_a_default_prompt_takes_the_remainder(sag, model):
    left = prompt(5, **MASK)
    with_default = sample(sag(model), negative=left + prompt(6, default=True))
    mirrored = {"mask": 1 - MASK["mask"]}
    assert distance(with_default, sample(model, negative=left + prompt(6, default=True))) > 1e-2
    assert distance(with_default, sample(sag(model), negative=left + prompt(6, **mirrored))) < 1e-4


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
    assert distance(both[:1], first) < 1e-4 or torch.equal(both[:1], first)
    assert distance(both[1:], first) > 1e-1

