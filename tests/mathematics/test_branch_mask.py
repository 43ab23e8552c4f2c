"""The mask of one side of CFG, of what was recorded of its prompts; no host is needed."""

import pytest
import torch

from sag_delayed_activation.sag_core import SigmaWindow
from sag_delayed_activation.sampling.branch import Branch, Region
from sag_delayed_activation.sampling.recorder import PromptAttention, PromptKey
from sag_delayed_activation.sampling.self_attention import SelfAttentionGuidance
from sag_delayed_activation.sampling.sentences import GuidanceSkipped
from sag_delayed_activation.sampling.settings import Settings

X = torch.zeros(2, 4, 8, 8)
WHOLE, NONE = torch.ones(2, 1, 8, 8), torch.zeros(2, 1, 8, 8)


def attention(drawn, crop=(8, 8)):
    """A token covers 2 x 2 of the latent. All look at the first row of tokens where `drawn`, else at all alike."""
    rows, columns = crop[0] // 2, crop[1] // 2
    queries, keys = torch.ones(2, rows * columns, 32), torch.zeros(2, rows * columns, 32)
    keys[:, :columns] = float(drawn)
    return PromptAttention(queries, keys, 4, 0, 1, (rows, columns))


FLAT, DRAWN = attention(False), attention(True)


def mask(*regions, **recorded):
    """Of a negative with these regions; `recorded` is the attention of some of its prompts, by their names."""
    settings = Settings(scale=0.5, blur_sigma=2.0, window=SigmaWindow(15, 0))
    branch = Branch("negative", [], None, X, list(regions))
    found = {PromptKey(name, 1, tuple(2 * side for side in a.grid)): a for name, a in recorded.items()}
    return SelfAttentionGuidance(settings, None, "this node").mask(branch, 1, found, X)


def region(name, weight=None, **place):
    return Region({"uuid": name}, weight, **place)


FIRST_ROW = torch.zeros(2, 1, 8, 8, dtype=torch.bool)
FIRST_ROW[:, :, :2] = True


def test_attention_that_is_the_same_everywhere_lies_nowhere_above_average():
    assert not mask(region("a"), a=FLAT).any()


def test_a_prompt_that_stands_alone_gives_its_own_attention():
    assert torch.equal(mask(region("a"), a=DRAWN), FIRST_ROW)


def test_a_prompt_without_weight_may_be_one_that_the_unet_did_not_run():
    assert torch.equal(mask(region("a", NONE), region("b", WHOLE), b=DRAWN), FIRST_ROW)
    assert torch.equal(mask(region("a", WHOLE), region("b", NONE), a=DRAWN), FIRST_ROW)


@pytest.mark.parametrize("weight", [None, WHOLE, 1e-6 * WHOLE], ids=["alone", "whole", "faint"])
def test_a_prompt_with_weight_that_the_unet_did_not_run_is_told(weight):
    with pytest.raises(GuidanceSkipped, match="the UNet did not run all of the negative prompt"):
        mask(region("b", WHOLE), region("a", weight), b=DRAWN)


def test_where_no_prompt_has_weight_there_is_no_mask():
    with pytest.raises(GuidanceSkipped, match="the negative prompt has no weight at this sigma"):
        mask(region("a", NONE), region("b", NONE))


def test_a_region_lies_where_its_prompt_counts_and_is_looked_up_by_its_crop():
    here = region("b", torch.ones(2, 1, 4, 6), top=2, left=1)
    found = mask(region("a", WHOLE), here, a=FLAT, b=attention(True, (4, 6)))
    expected = torch.zeros(2, 1, 8, 8, dtype=torch.bool)
    expected[:, :, 2:4, 1:7] = True
    assert torch.equal(found, expected)
