"""Prompts that another GPU evaluated: what comes out of a record lies where the prediction lies. No GPU is needed."""

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from sag_delayed_activation.sag_core import SigmaWindow, degrade, gaussian_kernel
from sag_delayed_activation.sampling.branch import Branch, Region
from sag_delayed_activation.sampling.recorder import PromptAttention, PromptKey
from sag_delayed_activation.sampling.self_attention import SelfAttentionGuidance
from sag_delayed_activation.sampling.settings import Settings

HERE, THERE = "cuda:0", "cuda:1"


@pytest.fixture
def fake_devices():
    gaussian_kernel.cache_clear()
    with FakeTensorMode():
        yield
    gaussian_kernel.cache_clear()  # of kernels that hold no numbers


def regions(weights):
    prompts = [{"uuid": f"prompt {n}"} for n in range(len(weights))]
    return [Region(prompt, weight) for prompt, weight in zip(prompts, weights, strict=True)]


@pytest.mark.parametrize("role, count", [("negative", 1), ("positive", 1), ("negative", 2)])
def test_the_mask_of_a_prompt_that_another_gpu_evaluated_lies_where_the_prediction_lies(fake_devices, role, count):
    settings = Settings(scale=0.5, blur_sigma=2.0, window=SigmaWindow(15, 0))
    x = torch.zeros(2, 4, 8, 8, device=HERE)
    weights = [None] if count == 1 else [torch.ones(2, 1, 8, 8, device=HERE)] * count
    branch = Branch(role, [], None, x, regions(weights))
    q = torch.zeros(2, 16, 32, device=THERE)
    recorded = {
        PromptKey(region.prompt["uuid"], 1, (8, 8)): PromptAttention(q, q, 4, 0, 1, (4, 4))
        for region in branch.regions
    }
    mask = SelfAttentionGuidance(settings, None, "this node").mask(branch, 1, recorded, x)
    assert degrade(x, mask, 2.0).device == mask.device == x.device
