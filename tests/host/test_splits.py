"""Other ways in which the host splits an evaluation."""

import pytest
import torch
from comfy_extras.nodes_custom_sampler import Guider_DualCFG
from tiny_unet import NEGATIVE, POSITIVE, Calls, distance, guided, prompt, sample

pytestmark = pytest.mark.host


def test_it_acts_under_nested_dual_cfg(sag, model):
    def nested(patched):
        guider = Guider_DualCFG(patched)
        guider.set_conds(POSITIVE, prompt(5), NEGATIVE)
        guider.set_cfg(5.0, 3.0, True)
        return guided(guider)

    assert distance(nested(sag(model)), nested(model)) > 1e-2


def test_it_acts_on_a_negative_with_weight_hooks(sag, model):
    import comfy.hooks as comfy_hooks

    hook = comfy_hooks.WeightHook(strength_model=1.0)
    weight = "diffusion_model.middle_block.1.transformer_blocks.0.attn2.to_v.weight"
    hook.weights, hook.need_weight_init = {weight: ("diff", (torch.ones(64, 16),))}, False
    group = comfy_hooks.HookGroup()
    group.add(hook)
    hooked = [[NEGATIVE[0][0], {"hooks": group}]]
    plain = sample(model, negative=hooked)
    with Calls(model) as calls:
        assert distance(sample(sag(model), negative=hooked), plain) > 1e-2
    assert calls == [[0], [1], [1]] * 4


def test_context_windows_over_space_are_left_alone_and_said(sag, model, said):
    import comfy.context_windows as windows

    windowed = model.clone()
    schedule = windows.get_matching_context_schedule("standard_static")
    fuse = windows.get_matching_fuse_method("pyramid")
    windowed.model_options["context_handler"] = windows.IndexListContextHandler(schedule, fuse, 24, 8, dim=3)
    assert torch.equal(sample(sag(windowed)), sample(windowed))
    assert "in parts (context windows)" in said()
