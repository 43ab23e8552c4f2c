"""The mask of a prompt that stands alone; no host is needed."""

import torch

from sag_delayed_activation.sag_core import SigmaWindow
from sag_delayed_activation.sampling import hooks as sag_hooks
from sag_delayed_activation.sampling.recorder import Chunk, Key


def test_attention_that_is_the_same_everywhere_lies_nowhere_above_average():
    node = sag_hooks.DelayedSAG(sag_hooks.Settings(0.5, 2.0, SigmaWindow(15, 0)), None, "this node")
    prompt, x = {"uuid": "negative"}, torch.zeros(2, 4, 8, 8)
    flat = torch.zeros(2, 16, 32)  # queries and keys that tell no token from another
    subject = sag_hooks.Subject("negative", [prompt], None, x, 1, sag_hooks.Whole(prompt))
    chunks = {Key("negative", 1, (8, 8)): Chunk(flat, flat, 4, 0, 1, (4, 4))}
    assert not node.mask(subject, 1, chunks, x).any()
