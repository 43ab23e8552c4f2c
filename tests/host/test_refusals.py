"""Bad input is refused early, by name and value."""

import importlib.util
import inspect
import math
import re
import sys
from types import SimpleNamespace

import comfy.supported_models
import numpy as np
import pytest
import torch
from neighbours import SharingUnit, attention_sharing
from tiny_unet import distance, sample, tiny_model

from sag_delayed_activation import NODE_CLASS_MAPPINGS as NODES
from sag_delayed_activation.nodes import SelfAttentionGuidanceCustom as Node


@pytest.mark.parametrize("depth", [-1, -2])
def test_a_unet_without_middle_attention_is_named_with_the_setting_that_helps(sag, depth):
    with pytest.raises(ValueError, match=r"TinyConfig has no self-attention at layer=middle.*\(advanced\), layer auto"):
        sag(tiny_model(depth))


def test_attention_without_projections_is_refused_by_its_class_with_a_layer_that_has_them(sag, advanced, model):
    changed = attention_sharing(model)
    assert refusal(sag, changed).endswith(
        "another node put SharingUnit in the place of the self-attention at layer=middle, which cannot be read. "
        "In SAG delayed activation (advanced), layer d0.0 can be read."
    )
    assert distance(sample(advanced(changed, layer="d0.0")), sample(changed)) > 1e-3


def test_where_no_attention_can_be_read_it_says_so(sag, model):
    changed = model.clone()
    for name, module in model.model.named_modules():
        if name.endswith(".attn1"):
            changed.add_object_patch(name, SharingUnit(module))
    assert refusal(sag, changed).endswith("which cannot be read. No other layer of this model can be read.")


def test_what_another_clone_has_in_place_just_now_refuses_nothing(sag, model):
    unpatched = sample(sag(model))
    sample(attention_sharing(model))
    assert torch.equal(sample(sag(model)), unpatched)


class TrTUnet:
    """An engine, as the TensorRT pack puts it in the UNet's place: no module, and no blocks."""


class Wrapper(torch.nn.Module):
    """Another pack's, that holds the UNet and calls it."""

    def __init__(self, unet=None):
        super().__init__()
        self.wrapped = unet


def loaded(kind, diffusion_model):
    """A MODEL of one of the host's kinds, as a loader of another pack makes it."""
    config = object.__new__(kind)
    return SimpleNamespace(get_model_object=lambda _: diffusion_model, model=SimpleNamespace(model_config=config))


def refusal(sag, model):
    with pytest.raises(ValueError) as refused:
        sag(model)
    return str(refused.value)


UNETS = {
    "LotusD", "Stable_Zero123", "SD15_instructpix2pix", "SD15", "SD20", "SD21UnclipL", "SD21UnclipH",
    "SDXL_instructpix2pix", "SDXLRefiner", "SDXL", "SSD1B", "KOALA_700M", "KOALA_1B", "Segmind_Vega", "SD_X4Upscaler",
    "SV3D_u", "SV3D_p", "SVD_img2vid",
}  # fmt: skip
KINDS = {kind.__name__: kind for kind in comfy.supported_models.models}


@pytest.mark.parametrize("hiding", [TrTUnet, Wrapper])
def test_what_hides_a_unet_is_named_and_the_kind_of_model_not_blamed(sag, hiding):
    for kind in UNETS & KINDS.keys():
        said = refusal(sag, loaded(KINDS[kind], hiding()))
        assert f"the UNet of {kind} is hidden in a {hiding.__name__}, " in said and "without it" in said
        assert "use SD1.x" not in said


def test_a_model_that_is_no_unet_is_told_so_with_the_class_that_it_is(sag):
    for kind in KINDS.keys() - UNETS:
        said = refusal(sag, loaded(KINDS[kind], torch.nn.Linear(1, 1)))
        assert f"{kind} has no UNet but a Linear, " in said and "SkipLayerGuidanceDiT" in said
        assert "was tried, and gained too little" in said


def test_a_unet_of_a_kind_of_a_packs_own_is_found_in_what_hides_it(sag, model):
    hidden = model.clone()
    hidden.add_object_patch("diffusion_model", Wrapper(model.model.diffusion_model))
    assert "the UNet of TinyConfig is hidden in a Wrapper, " in refusal(sag, hidden)


def test_a_unet_without_any_self_attention_is_told_so(sag):
    none = {"transformer_depth": [0, 0], "transformer_depth_output": [0] * 4}
    assert "TinyConfig has no self-attention in its UNet" in refusal(sag, tiny_model(-1, **none))


BAD = [
    ({"sigma_start": 1.0, "sigma_end": 2.0}, r"sigma_start=1\.0, sigma_end=2\.0"),
    ({"scale": math.nan}, "scale must be a finite number, got nan"),
    ({"sigma_start": math.inf}, "sigma_start must be a finite number, got inf"),
    ({"blur_sigma": -0.5}, r"blur_sigma must be between 0 and 10, got -0\.5"),
    ({"scale": 5.01}, r"scale must be between -2 and 5, got 5\.01"),
    ({"sigma_end": -1.0}, r"sigma_end must be .*, got -1\.0"),
    ({"scale": None}, "scale must be a finite number, got None"),
    ({"scale": np.float32("inf")}, "scale must be a finite number, got .*inf"),
    ({"blur_sigma": torch.zeros(1, 4, 64, 64)}, "blur_sigma must be a finite number, got tensor(?s:.){74}$"),
    ({"blur_sigma": True}, "blur_sigma must be a finite number, got True"),
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


@pytest.mark.parametrize("value", [1, np.float32(1.5), np.int64(2)], ids=repr)
def test_a_linked_number_of_any_kind_is_taken(sag, model, value):
    assert sag(model, scale=value) is not model


@pytest.mark.parametrize("value", ["abc", "", "0,5", None, [], [1.0], {}, pytest.param(10**400, id="too large")])
def test_of_a_bound_that_the_host_cannot_convert_it_leaves_the_word_to_the_host(value):
    assert Node.VALIDATE_INPUTS(sigma_start=value, sigma_end=0.0) is True
    assert "sigma_end must be between 0 and 1000" in Node.VALIDATE_INPUTS(sigma_start=value, sigma_end=1001.0)


@pytest.mark.parametrize("kind, node", NODES.items(), ids=NODES)
def test_the_prompts_validation_names_no_input_but_the_two_ends_of_the_window(kind, node):
    """The host repeats the answer for each input that is named, the page marks them all, and its ranges go."""
    asked = inspect.signature(node.VALIDATE_INPUTS).parameters if hasattr(node, "VALIDATE_INPUTS") else ()
    assert list(asked) == (["sigma_start", "sigma_end"] if kind.startswith("SAG delayed activation") else [])


def test_the_widgets_range_holds_for_typed_values_and_not_for_linked_ones(sag, model):
    assert "between 0 and 1000, got 4518" in Node.VALIDATE_INPUTS(sigma_start=4518.0)
    assert sag(model, sigma_start=999999999.9) is not model


@pytest.fixture
def old_host(monkeypatch):
    """ComfyUI before 0.3.51, whose context windows the pack asks for."""
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: None if name == "comfy.context_windows" else find(name, *more)
    )


@pytest.mark.parametrize(
    "version, found",
    [(SimpleNamespace(__version__="0.3.40"), "ComfyUI 0.3.40"), (None, "an older one that does not say its version")],
    ids=["0.3.40", "no version"],
)
@pytest.mark.parametrize("node", ["sag", "advanced"])
def test_a_host_that_is_too_old_is_told_what_it_is_and_what_is_needed(
    request, monkeypatch, old_host, model, node, version, found
):
    monkeypatch.setitem(sys.modules, "comfyui_version", version)
    patch = request.getfixturevalue(node)
    needed = f"needs ComfyUI 0.3.52 or newer, and this is {found}, without comfy.context_windows; update it"
    for settings in ({}, {"scale": 0.0}):
        with pytest.raises(ValueError, match=f"^SAG delayed activation {re.escape(needed)}$"):
            patch(model, **settings)
