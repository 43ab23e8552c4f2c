"""Bad input is refused early, by name and value."""

import inspect
import math
import re
from types import SimpleNamespace

import pytest
import torch
from tiny_unet import tiny_model

from sag_delayed_activation import NODE_CLASS_MAPPINGS as NODES
from sag_delayed_activation.nodes import SelfAttentionGuidanceCustom as Node

pytestmark = pytest.mark.host


@pytest.mark.parametrize("depth", [-1, -2])
def test_a_unet_without_middle_attention_is_named_with_the_setting_that_helps(sag, depth):
    with pytest.raises(ValueError, match=r"TinyConfig has no self-attention at layer=middle.*\(advanced\), layer auto"):
        sag(tiny_model(depth))


def test_a_model_that_is_no_unet_is_named(sag, model):
    flux = SimpleNamespace(
        get_model_object=lambda name: torch.nn.Linear(1, 1), model=SimpleNamespace(model_config=type("Flux", (), {})())
    )
    with pytest.raises(ValueError, match="Flux has no self-attention"):
        sag(flux)


BAD = [
    ({"sigma_start": 1.0, "sigma_end": 2.0}, r"sigma_start=1\.0, sigma_end=2\.0"),
    ({"scale": math.nan}, "scale must be a finite number, got nan"),
    ({"sigma_start": math.inf}, "sigma_start must be a finite number, got inf"),
    ({"blur_sigma": -0.5}, r"blur_sigma must be between 0 and 10, got -0\.5"),
    ({"scale": 5.01}, r"scale must be between -2 and 5, got 5\.01"),
    ({"sigma_end": -1.0}, r"sigma_end must be .*, got -1\.0"),
]


@pytest.mark.parametrize("values, message", BAD, ids=str)
def test_values_over_a_link_are_refused_when_the_node_runs(sag, model, values, message):
    with pytest.raises(ValueError, match=message):
        sag(model, **values)


@pytest.mark.parametrize("values, message", [bad for bad in BAD if "sigma_start" in bad[0] or "sigma_end" in bad[0]])
def test_a_window_that_is_none_is_refused_before_the_prompt_runs(values, message):
    assert re.search(message, Node.VALIDATE_INPUTS(**values))


def test_links_and_good_windows_pass_the_validation():
    assert Node.VALIDATE_INPUTS() is True
    assert Node.VALIDATE_INPUTS(sigma_start=0.0) is True
    assert Node.VALIDATE_INPUTS(sigma_start=0.28, sigma_end=0.28) is True


@pytest.mark.parametrize("kind, node", NODES.items(), ids=NODES)
def test_the_prompts_validation_names_no_input_but_the_two_ends_of_the_window(kind, node):
    """The host repeats the answer for each input that is named, the page marks them all, and its ranges go."""
    asked = inspect.signature(node.VALIDATE_INPUTS).parameters if hasattr(node, "VALIDATE_INPUTS") else ()
    assert list(asked) == (["sigma_start", "sigma_end"] if kind.startswith("SAG delayed activation") else [])


def test_the_widgets_range_holds_for_typed_values_and_not_for_linked_ones(sag, model):
    assert "between 0 and 1000, got 4518" in Node.VALIDATE_INPUTS(sigma_start=4518.0)
    assert sag(model, sigma_start=999999999.9) is not model
