"""The study's sampling: through the host, with the node, and the same pictures whatever the batch."""

from dataclasses import replace
from functools import partial
from types import SimpleNamespace
from unittest.mock import patch

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from lab.loading import ROOT
from lab.study.classifier import Classifier
from lab.study.forms import PERTURBED, blurred, unsharp_mask
from lab.study.questions import LATE, UNSHARP, WORLDS, Setting, doses, in_order, questions
from lab.study.sample_settings import DEMO, Measure, Results, sample_all
from lab.study.sampling import Sampled, Sampler

COUNT, STEPS = 2, 2
LABELS = torch.arange(10).repeat(3)
SAG = Setting("fashion", scale=1.0, steps=STEPS, count=COUNT)


@pytest.fixture(scope="module")
def sampler():
    return Sampler(DEMO, LABELS, (COUNT, 1, 32, 32), COUNT, torch.float32)


@pytest.fixture(scope="module")
def guided(sampler):
    return sampler.sample(SAG)


def test_pictures_do_not_depend_on_the_batch(sampler, guided):
    sampler.batch = 1
    apart = sampler.sample(SAG)
    sampler.batch = COUNT
    torch.testing.assert_close(apart.pictures, guided.pictures, atol=1e-3, rtol=0)


def test_the_node_acts_once_a_step_and_counts_it(sampler, guided):
    plain = sampler.sample(SAG.plain)
    assert (plain.extra_calls, guided.extra_calls) == (0, STEPS)
    assert (plain.pictures - guided.pictures).abs().max() > 0.1


def test_the_unsharp_mask_needs_no_second_look_and_leaves_the_pack_alone(sampler, guided):
    from sag_delayed_activation.sampling.self_attention import SelfAttentionGuidance as Own

    shipped, plain = (Own.compute, Own.evaluate_degraded), sampler.sample(SAG.plain).pictures
    found = sampler.sample(replace(SAG, form=UNSHARP))
    assert found.extra_calls == 0 and (found.pictures - guided.pictures).abs().max() > 0.05
    assert (found.pictures - plain).abs().max() > 0.05
    assert (Own.compute, Own.evaluate_degraded) == shipped


def test_the_unsharp_mask_gives_back_what_the_blur_took_softly_and_with_the_scale():
    from sag_delayed_activation.sag_core import blur
    from sag_delayed_activation.sampling.guidance import Guidance
    from sag_delayed_activation.sampling.self_attention import SelfAttentionGuidance as Own

    change = torch.rand(2, 1, 8, 8)

    def compute(own):
        own.evaluate_degraded(change)
        return Guidance(*[None] * len(Guidance._fields))

    with patch.object(Own, "compute", compute), unsharp_mask():
        found = Own.compute(SimpleNamespace(evaluate_degraded=partial(Own.evaluate_degraded, None)))
    assert found.falling.equal(blur(-change, 0.7))


def test_detail_is_the_advanced_node_s(sampler, guided):
    detailed = sampler.sample(replace(SAG, detail=0.5))
    assert detailed.extra_calls == STEPS and (detailed.pictures - guided.pictures).abs().max() > 0.02


def test_pag_is_the_host_s_own_and_counts_the_steps_of_its_window(sampler):
    from comfy_extras.nodes_pag import PerturbedAttentionGuidance

    pag = Setting("fashion", scale=2.0, steps=STEPS, count=COUNT, form="pag")
    own, late = sampler.sample(pag), sampler.sample(replace(pag, active=(1, 2)))
    assert (own.extra_calls, late.extra_calls) == (STEPS, 1)
    plain, sampler.model = sampler.model, PerturbedAttentionGuidance.execute(sampler.model, 2.0)[0]
    host = sampler.sample(pag.plain)
    sampler.model = plain
    torch.testing.assert_close(own.pictures, host.pictures, atol=1e-5, rtol=0)


HEADS, EXTRA = 2, {"n_heads": 2, "attn_precision": None, "activations_shape": [1, 12, 6, 8]}


def attend(q, k, v):
    """Dense and in float64, by no attention of the host's."""
    q, k, v = (t.double().unflatten(-1, (HEADS, -1)).transpose(1, 2) for t in (q, k, v))
    weights = (q @ k.mT / q.shape[-1] ** 0.5).softmax(dim=-1)
    return (weights @ v).transpose(1, 2).flatten(2).float()


def gaussian_over_tokens(q, width):
    """Queries [B, 48, C] of 6 x 8 tokens, blurred with borders reflected, by a matrix for each direction."""

    def matrix(side):
        rows = torch.zeros(side, side)
        weights = torch.exp(-0.5 * (torch.arange(-4, 5) / width) ** 2)
        for row in range(side):
            for step, weight in zip(range(-4, 5), weights / weights.sum(), strict=True):
                place = abs(row + step)
                rows[row, min(place, 2 * (side - 1) - place)] += weight
        return rows

    return torch.einsum("ij,bjkc,lk->bilc", matrix(6), q.view(-1, 6, 8, 12), matrix(8)).flatten(1, 2)


@pytest.mark.parametrize("width", [1.0, 3.0, float("inf")])
def test_seg_blurs_the_queries_over_the_grid_and_nothing_else(width):
    q, k, v = 3 * torch.randn(3, 2, 48, 12, generator=torch.Generator().manual_seed(3))
    softer = q.mean(dim=1, keepdim=True).expand(q.shape) if width == float("inf") else gaussian_over_tokens(q, width)
    torch.testing.assert_close(blurred(q, k, v, EXTRA, width=width), attend(softer, k, v), atol=1e-4, rtol=0)


@pytest.mark.parametrize("cfg, side", [(2.0, "uncond"), (1.0, "cond")])
def test_seg_looks_again_at_the_negative_prompt_or_where_there_is_none_at_the_positive(sampler, monkeypatch, cfg, side):
    import comfy.samplers

    asked, host = [], comfy.samplers.calc_cond_batch

    def evaluate(model, conds, *rest):
        asked.append(conds)
        return host(model, conds, *rest)

    monkeypatch.setattr(comfy.samplers, "calc_cond_batch", evaluate)
    seg = Setting("fashion", scale=2.0, cfg=cfg, steps=1, count=COUNT, form="seg mean")
    assert sampler.sample(seg).extra_calls == 1
    (positive, *negative), (again,) = asked
    assert again is {"cond": positive, "uncond": negative[0]}[side]


@pytest.mark.parametrize("form", PERTURBED)
def test_attention_that_is_not_perturbed_gives_no_guidance(sampler, monkeypatch, form):
    from comfy.ldm.modules.attention import optimized_attention

    def usual(q, k, v, extra, mask=None):
        return optimized_attention(q, k, v, extra["n_heads"])

    seg = Setting("fashion", scale=2.0, steps=STEPS, count=COUNT, form=form)
    plain, perturbed = sampler.sample(seg.plain).pictures, sampler.sample(seg).pictures
    monkeypatch.setitem(PERTURBED, form, (usual, PERTURBED[form][1]))
    torch.testing.assert_close(sampler.sample(seg).pictures, plain, atol=1e-4, rtol=0)
    assert (perturbed - plain).abs().max() > 1e-3


def test_another_sampler_has_its_own_schedule_and_is_held_against_itself(sampler):
    late = Setting("fashion", scale=2.0, steps=6, count=COUNT, form="seg 1", active=(4, 6), sampler="dpmpp_2m")
    assert late.plain.sampler == "dpmpp_2m" and late.name.replace("dpmpp_2m", "euler") != late.name
    assert sampler.sample(late).extra_calls == 2
    assert sampler.window(late) != sampler.window(replace(late, sampler="euler"))


def test_other_noise_gives_other_pictures_and_is_held_against_itself(sampler):
    other = replace(SAG, scale=0.0, noise=2)
    assert other.plain == other and other.name != SAG.plain.name
    first, second = (sampler.sample(own).pictures for own in (SAG.plain, other))
    assert (first - second).abs().max() > 0.1


def saved(unet, classes, file):
    """The weights of a UNet, and prompts of nothing, as they are after training."""
    from lab.demo.sag_demo import architecture

    architecture.initialise(unet)
    weights = {f"{architecture.PREFIX}{name}": tensor.half() for name, tensor in unet.state_dict().items()}
    table = torch.zeros(classes + 1, architecture.TOKENS * architecture.CONTEXT_DIM)
    save_file({**weights, architecture.TABLE: table}, file)
    return file


def test_the_wider_unet_is_known_by_its_weights(tmp_path):
    from lab.demo.sag_demo import architecture

    unet = architecture.build("cpu", 3, 32, wide=True).diffusion_model
    assert 22e6 < sum(p.numel() for p in unet.parameters()) < 22.1e6
    wide = Sampler(saved(unet, 10, tmp_path / "w"), LABELS, (1, 3, 32, 32), 1, torch.float32)
    found = wide.sample(Setting("photographs", scale=1.0, steps=1, count=1, form="seg 3"))
    assert found.pictures.shape == (1, 3, 32, 32) and found.extra_calls == 1


def test_the_deeper_unet_is_known_by_its_weights(tmp_path):
    from lab.demo.sag_demo import architecture

    unet = architecture.build("cpu", 3, 64).diffusion_model
    assert sum(p.numel() for p in unet.parameters()) < 8.3e6  # 16 MiB in float16
    deep = Sampler(saved(unet, 19, tmp_path / "w"), torch.arange(19), (1, 3, 64, 64), 1, torch.float32)
    own = Setting("wesnoth", scale=1.0, steps=1, count=1, cfg=3.0)
    found = deep.sample(own)
    assert found.pictures.shape == (1, 3, 64, 64) and found.extra_calls == 1


def test_a_window_of_one_step_acts_on_one_step(sampler):
    assert sampler.sample(replace(SAG, active=(1, 2))).extra_calls == 1


@pytest.mark.parametrize("steps, start", [(LATE, 0.92), ((16, 20), 0.5), ((18, 20), 0.26)])
def test_the_sigmas_that_help_and_study_name_hold_the_steps_that_were_sampled(sampler, steps, start):
    from sag_delayed_activation.sampling.schedule import schedule_of

    sigmas = schedule_of(sampler.model, "normal", 20, 1.0, "euler").tolist()[:-1]
    assert [step for step, sigma in enumerate(sigmas) if sigma <= start] == [*range(*steps)]
    for text in ("docs/study.md", "web/docs/SAG delayed activation (advanced).md"):
        assert f"{start:g}" in (ROOT / text).read_text(encoding="utf-8")


class Noise:
    """Stands in for the sampler: noise at once, and what it was asked for."""

    classes = torch.arange(20) % 10

    def __init__(self):
        self.asked = []

    def sample(self, setting):
        self.asked.append(setting.name)
        return Sampled(torch.rand(20, 1, 32, 32), 0.1, 0.0)


def test_what_was_sampled_is_not_sampled_again(tmp_path):
    measure = Measure(Classifier(1, 10).eval().requires_grad_(False), torch.rand(40, 1, 32, 32))
    sag, noise = Setting("fashion", scale=1.0, count=20), Noise()
    for _ in range(2):
        results = Results(tmp_path / "fashion.jsonl")
        sample_all(results, noise, measure, [sag.plain, sag])
    assert noise.asked == [sag.plain.name, sag.name]
    assert np.load(tmp_path / "fashion.npz")[sag.name].shape == (16, 1, 32, 32)


def test_every_setting_comes_after_the_one_it_is_held_against():
    dose = doses("photographs")[-1]
    for world in WORLDS:
        asked = in_order(world, questions(world, dose), dose)
        names = [s.name for s in asked]
        assert len(set(names)) == len(names)
        for setting in asked:
            assert names.index(setting.plain.name) <= names.index(setting.name)
