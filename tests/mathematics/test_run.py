"""What is kept for a run, by its nodes together and by each, and its end; no host is needed."""

import logging

import pytest
import torch

from sag_delayed_activation.sag_core import SigmaWindow
from sag_delayed_activation.sampling import run as run_module
from sag_delayed_activation.sampling.guidance import Guidance
from sag_delayed_activation.sampling.masks import MaskStore
from sag_delayed_activation.sampling.prompt_graph import Typed
from sag_delayed_activation.sampling.run import Run
from sag_delayed_activation.sampling.run_log import LastLine

WINDOW, KEY = SigmaWindow(15, 0), "a node"
LATENT = torch.ones(2, 1, 5, 5)
COMPUTED = Guidance(torch.full((2, 1, 5, 5), 3.0), None, torch.ones(2, 1, 5, 5, dtype=torch.bool), unet_calls=2)
LARGEST = 14.6


def begun(schedule=(2.0, 1.0, 0.0), latent=LATENT, keys=(KEY,)):
    run = Run(list(schedule), latent, LARGEST)
    for key in keys:
        run.join(key, WINDOW, Typed("a node", {}), LastLine())
    return run


@pytest.fixture
def node():
    """A node in a run, at its first evaluation."""
    node = begun().nodes[KEY]
    node.log.sigmas.append(2.0)
    return node


@pytest.fixture
def records(caplog):
    caplog.set_level(logging.INFO)
    return lambda: [record.getMessage() for record in caplog.records]


# a whole sampling, or a part of one


@pytest.mark.parametrize(
    "schedule, latent, is_whole",
    [
        ((14.6, 1.0, 0.0), torch.zeros(1), True),
        ((14.6, 1.0, 0.0), torch.ones(1), True),
        ((14.599, 1.0, 0.0), torch.ones(1), True),  # rounded
        ((4518.0, 1.0, 0.0), torch.ones(1), True),
        ((4.1, 1.0, 0.0), torch.zeros(1), True),  # ddim_uniform, of few steps
        ((4.1, 1.0, 0.0), None, True),
        ((14.5, 1.0, 0.0), torch.ones(1), False),  # img2img, or a later stage
        ((14.6, 1.0), torch.zeros(1), False),  # the first stage
        ((0.0, 1.0, 14.6), torch.ones(1), False),  # unsampling
        ((0.0,), torch.ones(1), False),
        ((), torch.zeros(1), False),
    ],
    ids=str,
)
def test_a_sampling_is_whole_that_ends_at_0_and_begins_empty_or_at_the_models_largest_sigma(schedule, latent, is_whole):
    run = begun(schedule, latent)
    assert run.is_whole is is_whole and run.nodes[KEY].log.is_whole is is_whole


def test_the_nodes_of_a_run_are_numbered_in_their_order_and_join_once():
    run = begun(keys=("a", "b", "a"))
    assert {key: node.log.node for key, node in run.nodes.items()} == {"a": 0, "b": 1}


# guidance to use again


@pytest.mark.parametrize("every", [1, 2, 3])
def test_guidance_serves_for_as_many_evaluations_as_every_says_the_first_among_them(node, every):
    assert node.reuse(every, LATENT.shape) is None
    taken, again = node.take(COMPUTED, 2.0), []
    node.acted(2.0, taken)
    while len(again) < every:
        again.append(node.reuse(every, LATENT.shape))
        node.acted(2.0, taken)
    assert [found is taken for found in again] == [True] * (every - 1) + [False]


def test_guidance_taken_anew_serves_anew(node):
    for _ in range(2):
        taken = node.take(COMPUTED, 2.0)
        node.acted(2.0, taken)
        assert node.reuse(2, LATENT.shape) is taken
        node.acted(2.0, taken)
        assert node.reuse(2, LATENT.shape) is None


def test_guidance_serves_no_latent_of_another_shape(node):
    node.take(COMPUTED, 2.0)
    assert node.reuse(9, torch.Size((2, 1, 5, 6))) is None


def test_where_guidance_acted_is_noted_and_nothing_is_read_off_the_device(node):
    for _ in range(2):
        node.log.sigmas.append(1.0)
        node.acted(1.0, node.guidance or node.take(COMPUTED, 1.0))
    steps = [(step.evaluation, step.sigma, step.node, step.reused) for step in node.masks.steps]
    assert steps == [(1, 1.0, 0, False), (2, 1.0, 0, True)] and node.log.acted == [1, 2]
    assert len(node.log.finite) == 2 and node.masks.steps[0].mask.mask is not None
    assert node.log.extra_calls == COMPUTED.unet_calls


# its end


def ended(run, latent=LATENT):
    store = MaskStore()
    run.end(latent, store)
    return store


def test_at_its_end_each_node_says_what_it_did_and_no_tensor_is_kept(records):
    run = begun(keys=("a", "b"))
    for node in run.nodes.values():
        node.log.sigmas.append(2.0)
    run.nodes["b"].log.sigmas.append(1.0)
    node.acted(2.0, node.take(COMPUTED, 2.0))
    [kept] = ended(run).runs[tuple(LATENT.shape)]
    assert ["acted on 0 of 1" in records()[0], "acted on 1 of 2" in records()[1]] == [True, True]
    assert node.guidance is None and node.log.finite == [] and kept.steps[0].mask.mask is None
    assert kept.sigmas == [2.0] and kept.lines == records()


def test_of_a_run_that_gave_no_latent_lines_are_written_and_no_masks_kept(records, node):
    run = begun()
    run.nodes[KEY].log.sigmas.append(2.0)
    assert ended(run, None).runs == {} and len(records()) == 1


@pytest.mark.parametrize(
    "schedule, latent, lines",
    [((2.0, 0.0), LATENT, 1), ((2.0, 1.0, 0.0), None, 0), ((0.0,), LATENT, 0)],
    ids=["a guider that asks nothing", "an error before the first step", "no step"],
)
def test_a_node_that_was_never_asked_says_so_where_there_was_something_to_ask(records, schedule, latent, lines):
    ended(begun(schedule), latent)
    assert len(records()) == lines and all("calls no function after CFG" in line for line in records())


def test_where_the_device_itself_failed_the_line_is_still_written(records, monkeypatch):
    def fail(*_):
        raise RuntimeError("the device is gone")

    run = begun()
    node = run.nodes[KEY]
    node.log.sigmas.append(2.0)
    node.acted(2.0, node.take(COMPUTED, 2.0))
    monkeypatch.setattr(run_module.RunMasks, "settle", fail)
    assert ended(run).runs == {}
    assert "acted on 1 of 1" in records()[0] and node.log.finite == []
