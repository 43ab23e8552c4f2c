"""Which of the evaluated prompts belong to one side of CFG; no host is needed."""

import pytest
import torch

from sag_delayed_activation.sampling import branch as branch_module
from sag_delayed_activation.sampling.branch import Branch, Region, usual_cond_index
from sag_delayed_activation.sampling.cpu_copy import CpuCopy
from sag_delayed_activation.sampling.recorder import Evaluation
from sag_delayed_activation.sampling.skipped import GuidanceSkipped

SOME, OTHER = [{"uuid": "a"}], [{"uuid": "b"}]


@pytest.mark.parametrize(
    "wanted, conds, index",
    [
        ("positive", [SOME, OTHER], 0),
        ("negative", [SOME, OTHER], 1),
        ("auto", [SOME, OTHER], 1),
        ("positive", [SOME, None], 0),
        ("negative", [SOME, None], None),
        ("auto", [SOME, None], None),
        ("positive", [None, SOME], None),
        ("positive", [SOME], None),
        ("positive", [SOME, OTHER, OTHER], None),
    ],
    ids=str,
)
def test_which_prompt_will_be_read_is_known_where_the_host_evaluates_two_sides(wanted, conds, index):
    assert usual_cond_index(wanted, conds) == index


def one_call(monkeypatch, indices, wrappers):
    """An evaluation of one call of the UNet, on a host that tells prompts apart or does not."""
    monkeypatch.setattr(branch_module, "wrappers_exist", lambda: wrappers)
    evaluation = Evaluation(CpuCopy(torch.tensor([3.0])), conds=[SOME, OTHER] if wrappers else None)
    q = torch.zeros(len(indices), 24, 8)
    said = {"cond_or_uncond": indices, "n_heads": 2, "original_shape": [1, 4, 8, 12]}
    evaluation.record(q, q, said)
    return evaluation


def negative(prompts):
    return Branch("negative", prompts, SOME, torch.zeros(1, 4, 8, 12), 1, [Region(prompts[0])])


def test_since_0_3_7_a_branch_is_found_by_its_prompts_or_skipped(monkeypatch):
    evaluation = one_call(monkeypatch, [0, 1], wrappers=True)
    assert negative(OTHER).cond_index(evaluation) == 1 and negative(SOME).cond_index(evaluation) == 0
    with pytest.raises(GuidanceSkipped, match="the UNet did not run the negative prompt"):
        negative([{"uuid": "c"}]).cond_index(evaluation)


def test_before_0_3_7_a_branch_has_its_usual_place_and_of_three_none(monkeypatch):
    assert negative(OTHER).cond_index(one_call(monkeypatch, [1, 0], wrappers=False)) == 1
    with pytest.raises(GuidanceSkipped, match="does not say which of a guider's three prompts is the negative"):
        negative(OTHER).cond_index(one_call(monkeypatch, [2, 1, 0], wrappers=False))
