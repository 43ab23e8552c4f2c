"""Which of the evaluated prompts belong to one side of CFG; no host is needed."""

import sys
from types import ModuleType, SimpleNamespace

import pytest
import torch

from sag_delayed_activation.sampling import branch as branch_module
from sag_delayed_activation.sampling.branch import Branch, Region, active_regions, choose_branch, usual_cond_index
from sag_delayed_activation.sampling.post_cfg import PostCfg
from sag_delayed_activation.sampling.recorder import Evaluation
from sag_delayed_activation.sampling.sentences import GuidanceSkipped

SOME, OTHER = [{"uuid": "a"}], [{"uuid": "b"}]
SIGMA, X = torch.tensor([3.0]), torch.zeros(1, 4, 8, 12)


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


def test_a_branch_is_found_by_its_prompts_or_skipped():
    evaluation = Evaluation(X, SIGMA, [SOME, OTHER])
    found = [Branch("negative", prompts, None, X, []).cond_index(evaluation) for prompts in (SOME, OTHER)]
    assert found == [0, 1]
    with pytest.raises(GuidanceSkipped, match="the UNet did not run the negative prompt"):
        Branch("negative", [{"uuid": "c"}], SOME, X, []).cond_index(evaluation)


# the side of CFG


def chosen(monkeypatch, wanted, positive=SOME, negative=OTHER, active=(SOME, OTHER), evaluated=None):
    """The branch, of prompts that are `active` at this sigma; `evaluated` is what the host says was."""
    monkeypatch.setattr(branch_module, "active_regions", lambda prompts, x, sigma: (
        [Region(prompt) for prompt in prompts] if prompts in active else []))  # fmt: skip
    evaluation = None if evaluated is None else Evaluation(X, SIGMA, evaluated)
    return choose_branch(wanted, evaluation, PostCfg(X, SIGMA, X, positive, negative, X + 1, X - 1, None, {}))


AS_POSITIVE = ("positive", SOME, OTHER, 1.0, [Region(SOME[0])])
AS_NEGATIVE = ("negative", OTHER, SOME, -1.0, [Region(OTHER[0])])


@pytest.mark.parametrize(
    "wanted, evaluated, expected",
    [
        ("positive", [SOME, OTHER], AS_POSITIVE),
        ("negative", [SOME, OTHER], AS_NEGATIVE),
        ("auto", [SOME, OTHER], AS_NEGATIVE),
        ("auto", None, AS_NEGATIVE),  # a function in the evaluation's place hides it
        ("auto", [SOME], AS_POSITIVE),  # another model evaluated the negative
        ("negative", [SOME], AS_NEGATIVE),
    ],
    ids=str,
)
def test_a_branch_has_the_prompts_and_the_prediction_of_its_side(monkeypatch, wanted, evaluated, expected):
    role, prompts, others, x0, regions = chosen(monkeypatch, wanted, evaluated=evaluated)
    assert (role, prompts, others, x0[0, 0, 0, 0].item(), regions) == expected


@pytest.mark.parametrize("negative, active", [(None, [SOME]), (OTHER, [SOME])], ids=["none", "not active"])
def test_without_an_active_negative_auto_takes_the_positive_and_negative_says_which_it_was(
    monkeypatch, negative, active
):
    assert chosen(monkeypatch, "auto", negative=negative, active=active).role == "positive"
    why = "no negative prompt was evaluated" if negative is None else "the negative prompt is not active at this sigma"
    with pytest.raises(GuidanceSkipped, match=why):
        chosen(monkeypatch, "negative", negative=negative, active=active)


def test_where_no_prompt_is_active_there_is_no_branch(monkeypatch):
    for wanted in ("positive", "auto"):
        with pytest.raises(GuidanceSkipped, match="the positive prompt is not active at this sigma"):
            chosen(monkeypatch, wanted, active=[])
        with pytest.raises(GuidanceSkipped, match="the positive prompt is not active at this sigma"):
            chosen(monkeypatch, wanted, None, None, active=[])


# where its prompts count


@pytest.fixture
def hosts_rule(monkeypatch):
    """Stands in for the host's: every prompt says itself where, and how strongly, it counts, or that it does not."""
    comfy, samplers = ModuleType("comfy"), ModuleType("comfy.samplers")
    comfy.samplers, samplers.get_area_and_mult = samplers, lambda prompt, x, sigma: prompt["placed"]
    monkeypatch.setitem(sys.modules, "comfy", comfy)
    monkeypatch.setitem(sys.modules, "comfy.samplers", samplers)


def placed(weight, area=None, **more):
    height, width = area[:2] if area else X.shape[-2:]
    return {"placed": SimpleNamespace(area=area, mult=torch.full((1, 4, height, width), weight)), **more}


def test_a_lone_prompt_that_counts_everywhere_alike_is_taken_without_asking_the_host(hosts_rule):
    assert active_regions(SOME, X, SIGMA) == [Region(SOME[0])]
    assert active_regions([], X, SIGMA) == []


def test_prompts_that_are_active_count_where_and_as_strongly_as_the_host_says(hosts_rule):
    whole, there = placed(0.25), placed(0.5, (4, 6, 2, 1))
    first, second = active_regions([whole, {"placed": None}, there], X, SIGMA)
    assert (first.prompt, first.top, first.left) == (whole, 0, 0)
    assert torch.equal(first.weight, torch.full((1, 1, 8, 12), 0.25))
    assert (second.prompt, second.top, second.left) == (there, 2, 1)
    assert torch.equal(second.weight, torch.full((1, 1, 4, 6), 0.5))


def test_a_lone_prompt_with_a_place_is_asked_about(hosts_rule):
    [region] = active_regions([placed(0.5, strength=0.5)], X, SIGMA)
    assert torch.equal(region.weight, torch.full((1, 1, 8, 12), 0.5))


@pytest.mark.parametrize("weight, left", [(0.5, 0.25), (2.0, 0.0)], ids=["some", "nothing"])
def test_a_default_prompt_takes_what_the_others_left(hosts_rule, weight, left):
    default = placed(1.0, default=True)
    *_, last = active_regions([default, placed(0.25), placed(weight, (4, 6, 2, 1))], X, SIGMA)
    expected = torch.full((1, 1, 8, 12), 0.75)
    expected[..., 2:6, 1:7] = left
    assert last.prompt is default and torch.equal(last.weight, expected)
