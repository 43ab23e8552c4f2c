"""A forward that another pack gave the attention: it runs, whatever the window, and the node says that it does not."""

import pytest
import torch
from neighbours import Louder, attention_address, attention_sharing, louder_twin, own_attention
from tiny_unet import Calls, distance, sample, tiny_model

READ, BESIDE = 0, 1  # numbers of the block's transformers
FAINT = 1e-2


def louder(forward):
    return lambda *args, **options: forward(*args, **options) + 0.1


def set_on_it(model, number, name, value):
    setattr(own_attention(model, number), name, value)


PATCHED = {
    "an object patch": lambda m, n: m.add_object_patch(attention_address(n), louder_twin(own_attention(m, n))),
    "an object patch of its class": lambda m, n: m.add_object_patch(f"{attention_address(n)}.__class__", Louder),
    "an object patch of its forward": lambda m, n: m.add_object_patch(
        f"{attention_address(n)}.forward", louder(own_attention(m, n).forward)
    ),
}
WAYS = PATCHED | {
    "another class": lambda m, n: set_on_it(m, n, "__class__", Louder),
    "a forward of its own": lambda m, n: set_on_it(m, n, "forward", louder(own_attention(m, n).forward)),
    "a hook": lambda m, n: own_attention(m, n).register_forward_hook(lambda module, given, output: output + 0.1),
    "a hook before it": lambda m, n: own_attention(m, n).register_forward_pre_hook(lambda _, given: (given[0] + 0.1,)),
}
ways = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


def own(way, number=READ):
    """What the changed model gives without the node."""
    model = tiny_model(2)
    way(model, number)
    return sample(model, steps=2)


@ways
@pytest.mark.parametrize("when", ["before the node", "after it", "between two runs"])
def test_a_forward_that_is_not_the_hosts_is_left_in_place_and_named(sag, said, way, when):
    model = tiny_model(2)
    if when == "before the node":
        way(model, READ)
    patched = sag(model)
    if when == "between two runs":
        sample(patched, steps=1)
    if when != "before the node":
        way(patched, READ)
    with Calls(model) as calls:
        latent = sample(patched, steps=2)
    assert torch.equal(latent, own(way)) and distance(latent, sample(tiny_model(2), steps=2)) > 1e-3
    assert [1] not in calls
    assert "skipped 2 in the window: 2 because " in said()
    assert "computes the middle block's attention in a way of its own" in said()


@ways
def test_the_attention_of_each_transformer_in_the_block_counts(sag, way):
    model = tiny_model(2)
    way(model, BESIDE)
    assert torch.equal(sample(sag(model, sigma_start=FAINT), steps=2), own(way, BESIDE))


@pytest.mark.parametrize("way", PATCHED.values(), ids=PATCHED)
def test_where_an_object_patch_is_taken_away_again_it_acts_again(sag, way):
    patched = sag(tiny_model(2))
    changed = patched.clone()
    way(changed, READ)
    sample(changed, steps=2)
    assert torch.equal(sample(patched, steps=2), sample(sag(tiny_model(2)), steps=2))


@pytest.mark.parametrize("window", [15.0, FAINT], ids=["inside", "outside"])
def test_a_unit_without_projections_that_comes_behind_the_node_runs_too(sag, model, window, said):
    alone = sample(attention_sharing(model))
    assert torch.equal(sample(attention_sharing(sag(model, sigma_start=window))), alone)
    assert ("neighbours.SharingUnit computes the middle block's attention" in said()) == (window == 15.0)


def test_of_several_nodes_each_says_it(sag, lines):
    model = tiny_model(2)
    WAYS["another class"](model, READ)
    assert torch.equal(sample(sag(sag(model)), steps=2), own(WAYS["another class"]))
    assert [line.count("computes the middle block's attention") for _, line in lines()] == [1, 1]


@pytest.mark.parametrize("stage", ["input", "output"])
def test_replaces_on_other_blocks_stay_where_the_recorders_make_way(sag, stage):
    model = tiny_model(2)
    WAYS["another class"](model, READ)
    for number in range(6):
        model.set_model_attn1_replace(lambda q, k, v, extra_options: 2 * v, stage, number)
    alone = sample(model, steps=2)
    assert distance(alone, own(WAYS["another class"])) > 1e-3
    assert torch.equal(sample(sag(model, sigma_start=FAINT), steps=2), alone)


def test_a_replace_that_stood_there_before_keeps_its_way(sag):
    """The host calls it, and no forward of the layer, with this node and without."""
    model = tiny_model(2)
    WAYS["another class"](model, READ)
    model.set_model_attn1_replace(lambda q, k, v, extra_options: v, "middle", 0)
    alone = sample(model, steps=2)
    assert torch.equal(sample(sag(model, sigma_start=FAINT), steps=2), alone)
    with Calls(model) as calls:
        assert distance(sample(sag(model), steps=2), alone) > 1e-3
    assert calls.count([1]) == 2


def compiled(attention):
    return torch.compile(attention, backend="eager")


class Adapted(torch.nn.Linear):
    def forward(self, x):
        return super().forward(x) * 1.5


def adapted(model):
    query = own_attention(model, READ).to_q
    query.__class__ = Adapted
    query.forward = louder(query.forward)


NO_REASON = {
    "projections of other classes and with forwards of their own": adapted,
    "torch.compile": lambda m: m.add_object_patch(attention_address(), compiled(own_attention(m, READ))),
}


@pytest.mark.parametrize("change", NO_REASON.values(), ids=NO_REASON)
def test_what_is_no_forward_of_the_attention_is_no_reason(sag, change):
    model = tiny_model(2)
    change(model)
    alone = sample(model, steps=2)
    assert distance(sample(sag(model, sigma_start=FAINT), steps=2), alone) < 1e-6
    with Calls(model) as calls:
        assert distance(sample(sag(model), steps=2), alone) > 1e-3
    assert calls.count([1]) == 2
