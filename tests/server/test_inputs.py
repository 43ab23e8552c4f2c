"""Whatever is typed into an input or linked to it: what it cannot be is refused by the input's name and the value."""

import json
import re

import pytest
from comfy_server import ServerProblem
from demo_graph import ADVANCED, BASIC, PREVIEW, WINDOW
from demo_prompt import DEFAULTS

SAG = {"model": ["model", 0], **DEFAULTS}
INPUTS = {
    BASIC: SAG,
    ADVANCED: SAG | {"threshold": 1.0, "branch": "auto", "layer": "middle", "fade": "none", "rescale": 0.0,
                     "rescale_mode": "full", "every": 1, "detail": 0.0},
    WINDOW: {"preset": "custom", "unit": "step", "start": 0.0, "end": 10000.0, "model": ["model", 0],
             "scheduler": "normal", "steps": 4, "denoise": 1.0, "sampler_name": "euler"},
    PREVIEW: {"model": ["model", 0], "samples": ["latent", 0], "images": ["image", 0]},
}  # fmt: skip
EACH = [(kind, name) for kind, inputs in INPUTS.items() for name in inputs]
WRONG = ["abc", "", "0,5", None, [], [1.0], {}, {"a": 1}]
HOSTS_OWN = {"invalid_input_type", "value_not_in_list", "bad_linked_input"}  # each of these names the input


@pytest.fixture
def refused(server):
    """What the server says to a node with these inputs in the place of good ones."""

    def queue(kind, **given):
        values = {name: value.text for name, value in given.items() if isinstance(value, Linked)}
        links = {name: [f"any {name}", 0] for name in values}
        prompt = {
            "model": {"class_type": "SAG demo: model", "inputs": {}},
            "latent": {"class_type": "SAG demo: latent", "inputs": {}},
            "image": {"class_type": "SAG demo: image", "inputs": {"samples": ["latent", 0]}},
            "node": {"class_type": kind, "inputs": INPUTS[kind] | given | links},
            **{f"any {n}": {"class_type": "SAG tests: any value", "inputs": {"text": t}} for n, t in values.items()},
        }
        if kind == WINDOW:
            prompt["end"] = {"class_type": "PreviewImage", "inputs": {"images": ["node", 3]}}
        elif kind != PREVIEW:
            prompt["end"] = {"class_type": PREVIEW, "inputs": {"model": ["node", 0], "samples": ["latent", 0]}}
        with pytest.raises(ServerProblem) as problem:
            server.wait(server.queue(prompt))
        return str(problem.value)

    return queue


class Linked:
    """A value that comes over a link."""

    def __init__(self, value):
        self.text = json.dumps(value)


def takes_a_number(kind, name):
    return isinstance(INPUTS[kind][name], int | float)


def wrong_for(kind, name):
    """Values that this input cannot be. A number is none where a number is asked for, and pictures may be left out."""
    numbers = [] if takes_a_number(kind, name) else [7.5]
    return [value for value in WRONG + numbers if name != "images" or value is not None]


def in_its_own_words(said, name, value):
    """Whether a node of the pack refused, and named both."""
    return re.search(rf"execution_error: SAG [\w ]+: {name} must .*, got {re.escape(repr(value)[:80])}", said)


def in_the_hosts_words(said, name):
    """Whether the host refused, and for this input alone."""
    if not said.startswith("{"):
        return False
    errors = json.loads(said)["node_errors"]["node"]["errors"]
    return [(e["type"] in HOSTS_OWN, e["extra_info"]["input_name"]) for e in errors] == [(True, name)]


@pytest.mark.parametrize("kind, name", EACH)
def test_what_is_typed_and_cannot_be_is_refused_by_name_and_value(refused, kind, name):
    for value in wrong_for(kind, name):
        said, taken = refused(kind, **{name: value}), str(value) if name == "layer" else value
        assert in_the_hosts_words(said, name) or in_its_own_words(said, name, taken), f"{value!r}: {said}"


@pytest.mark.parametrize("kind, name", EACH)
def test_what_is_linked_and_cannot_be_is_refused_by_name_and_value(refused, kind, name):
    for value in wrong_for(kind, name):
        said = refused(kind, **{name: Linked(value)})
        assert in_its_own_words(said, name, value), f"{value!r}: {said}"


@pytest.mark.parametrize("kind, name", [each for each in EACH if takes_a_number(*each)])
def test_true_is_no_number(refused, kind, name):
    assert in_its_own_words(refused(kind, **{name: Linked(True)}), name, True)


@pytest.mark.parametrize("kind, name", [(ADVANCED, "every"), (WINDOW, "steps")])
def test_a_linked_number_that_must_be_whole_is_refused_if_it_is_not(refused, kind, name):
    assert f"{name} must be a whole number, got 2.5" in refused(kind, **{name: Linked(2.5)})


@pytest.mark.parametrize("kind", [BASIC, ADVANCED])
def test_a_number_that_no_float_can_hold_is_refused_like_one_that_is_none(refused, kind):
    assert in_the_hosts_words(refused(kind, sigma_start=10**400), "sigma_start")
    assert in_its_own_words(refused(kind, sigma_start=Linked(10**400)), "sigma_start", 10**400)


@pytest.mark.parametrize("kind", [BASIC, ADVANCED])
def test_beside_a_bound_that_is_no_number_the_other_one_is_checked_all_the_same(refused, kind):
    said = refused(kind, sigma_start="abc", sigma_end=2000.0)
    assert "Failed to convert" in said and "sigma_end must be between 0 and 1000, got 2000.0" in said
