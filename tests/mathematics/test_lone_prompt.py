"""The mask of a prompt that stands alone; no host is needed."""

import torch

from sag_delayed_activation.sag_core import SigmaWindow
from sag_delayed_activation.sampling.branch import Branch, Region
from sag_delayed_activation.sampling.recorder import PromptAttention, PromptKey
from sag_delayed_activation.sampling.self_attention import SelfAttentionGuidance
from sag_delayed_activation.sampling.settings import Settings


def test_attention_that_is_the_same_everywhere_lies_nowhere_above_average():
    settings = Settings(scale=0.5, blur_sigma=2.0, window=SigmaWindow(15, 0))
    prompt, x = {"uuid": "negative"}, torch.zeros(2, 4, 8, 8)
    flat = torch.zeros(2, 16, 32)  # queries and keys that tell no token from another
    branch = Branch("negative", [prompt], None, x, 1, [Region(prompt)])
    recorded = {PromptKey("negative", 1, (8, 8)): PromptAttention(flat, flat, 4, 0, 1, (4, 4))}
    assert not SelfAttentionGuidance(settings, None, "this node").mask(branch, 1, recorded, x).any()
