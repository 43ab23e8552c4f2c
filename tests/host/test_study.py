"""The study's sampling: through the host, with the node, and the same pictures whatever the batch."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from lab.study.classifier import Classifier
from lab.study.forms import FORMS
from lab.study.questions import Setting, in_order
from lab.study.sample_settings import DEMO, Measure, Results, sample_all
from lab.study.sampling import EffectiveScale, Sampled, Sampler

COUNT, STEPS = 3, 2
LABELS = torch.arange(10).repeat(3)
SAG = Setting("fashion", scale=1.0, steps=STEPS, count=COUNT)


@pytest.fixture(scope="module")
def sampler():
    return Sampler(DEMO, LABELS, COUNT, "float32", batch=COUNT)


@pytest.fixture(scope="module")
def guided(sampler):
    return sampler.sample(SAG, SAG.cfg)


def test_pictures_do_not_depend_on_the_batch(sampler, guided):
    sampler.batch = 2
    apart = sampler.sample(SAG, SAG.cfg)
    sampler.batch = COUNT
    torch.testing.assert_close(apart.pictures, guided.pictures, atol=1e-3, rtol=0)
    assert apart.effective_norm == pytest.approx(guided.effective_norm, rel=1e-3)


def test_the_node_acts_once_a_step_and_counts_it(sampler, guided):
    plain = sampler.sample(SAG.plain, SAG.cfg)
    assert (plain.extra_calls, guided.extra_calls) == (0, STEPS)
    assert (plain.pictures - guided.pictures).abs().max() > 0.1


def test_plain_cfg_has_its_own_effective_scale(sampler):
    plain = sampler.sample(SAG.plain, 3.0)
    assert (plain.effective_norm, plain.effective_parallel) == pytest.approx((3.0, 3.0))


def test_the_effective_scale_is_the_mean_over_steps_and_tells_what_is_parallel():
    measured, zero, one = EffectiveScale(), torch.tensor([0.0, 0.0]), torch.tensor([1.0, 0.0])
    for guided, cond in ((torch.tensor([3.0, 4.0]), one), (2 * one, 2 * one)):
        measured({"denoised": guided, "cond_denoised": cond, "uncond_denoised": zero})
    assert measured.scales() == ((5.0 + 1.0) / 2, (3.0 + 1.0) / 2)


def test_at_cfg_1_and_without_classes_the_advanced_node_acts(sampler):
    alone = replace(SAG, cfg=1.0, conditional=False)
    assert sampler.sample(alone, 1.0).extra_calls == STEPS


@pytest.mark.parametrize("kind", ["random", "inverse"])
def test_other_masks_change_the_picture_and_leave_the_pack_alone(sampler, guided, kind):
    from sag_delayed_activation.sampling.self_attention import SelfAttentionGuidance

    shipped = SelfAttentionGuidance.mask
    other = sampler.sample(replace(SAG, masking=kind), SAG.cfg)
    assert (other.pictures - guided.pictures).abs().max() > 0.05
    assert SelfAttentionGuidance.mask is shipped


@pytest.mark.parametrize("form, detail", [("detail", 0.0), ("all smoothed by 0.5", 0.5), ("unsharp", 1.0)])
def test_another_form_leaves_the_pack_alone_and_with_detail_0_is_the_shipped_one(sampler, guided, form, detail):
    from sag_delayed_activation.sampling import SelfAttentionGuidance

    shipped = SelfAttentionGuidance.compute, SelfAttentionGuidance.evaluate_degraded
    other = sampler.sample(replace(SAG, form=form, detail=detail), SAG.cfg)
    assert other.pictures.equal(guided.pictures) == (detail == 0)
    assert other.extra_calls == (0 if form == "unsharp" else STEPS)
    assert (SelfAttentionGuidance.compute, SelfAttentionGuidance.evaluate_degraded) == shipped


def test_the_unsharp_mask_adds_what_the_blur_took_away_where_the_mask_is():
    paper, missing = torch.rand(2, 1, 8, 8), torch.rand(2, 1, 8, 8)
    assert FORMS["unsharp"](paper, missing, 2.0).equal(2 * missing)
    torch.testing.assert_close(FORMS["detail"](paper, missing, 0.5), paper + 0.5 * missing)
    softer = FORMS["detail smoothed by 0.7"](paper, missing, 0.5) - paper
    assert softer.var() < (0.5 * missing).var()


def test_pag_is_the_host_s_own_and_counts_the_steps_of_its_window(sampler):
    from comfy_extras.nodes_pag import PerturbedAttentionGuidance

    pag = Setting("fashion", scale=2.0, steps=STEPS, count=COUNT, form="pag")
    own, late = sampler.sample(pag, pag.cfg), sampler.sample(replace(pag, active=(1, 2)), pag.cfg)
    assert (own.extra_calls, late.extra_calls) == (STEPS, 1)
    plain, sampler.model = sampler.model, PerturbedAttentionGuidance.execute(sampler.model, 2.0)[0]
    host = sampler.sample(pag.plain, pag.cfg)
    sampler.model = plain
    torch.testing.assert_close(own.pictures, host.pictures, atol=1e-5, rtol=0)


def test_the_deeper_unet_is_known_by_its_weights(tmp_path):
    from lab.demo.sag_demo import architecture

    unet = architecture.build("cpu", 3, 64).diffusion_model
    architecture.initialise(unet)
    assert sum(p.numel() for p in unet.parameters()) < 8.3e6  # 16 MiB in float16
    weights = {f"{architecture.PREFIX}{name}": tensor.half() for name, tensor in unet.state_dict().items()}
    table = torch.zeros(20, architecture.TOKENS * architecture.CONTEXT_DIM)
    save_file({**weights, architecture.TABLE: table}, tmp_path / "w.safetensors")
    deep = Sampler(tmp_path / "w.safetensors", torch.arange(19), 1, "float32", 1)
    own = Setting("wesnoth", scale=1.0, steps=1, count=1, cfg=3.0)
    found = deep.sample(own, own.cfg)
    assert found.pictures.shape == (1, 3, 64, 64) and found.extra_calls == 1


def test_a_window_of_one_step_acts_on_one_step(sampler):
    assert sampler.sample(replace(SAG, active=(1, 2)), SAG.cfg).extra_calls == 1


class Noise:
    """Stands in for the sampler: noise at once, and what it was asked for."""

    classes = torch.arange(20) % 10

    def __init__(self):
        self.asked = []

    def sample(self, setting, cfg):
        self.asked.append((setting.name, cfg))
        return Sampled(torch.rand(20, 1, 32, 32), cfg, 0.1, 0.0, 2.5, 2.0)


def test_what_was_sampled_is_not_sampled_again_and_a_matched_cfg_waits_for_its_measure(tmp_path):
    measure = Measure(Classifier(1, 10).eval().requires_grad_(False), torch.rand(40, 1, 32, 32))
    sag = Setting("fashion", scale=1.0, count=20)
    matched, noise = replace(sag, scale=0.0, cfg_like=sag.name, cfg_by="norm"), Noise()
    for _ in range(2):
        results = Results(tmp_path / "fashion.jsonl")
        sample_all(results, noise, measure, [matched, sag, matched], float("inf"), "float16")
    assert noise.asked == [(sag.name, 2.0), (matched.name, 2.5)]
    assert np.load(tmp_path / "fashion.npz")[matched.name].shape == (16, 1, 32, 32)


def test_in_other_arithmetic_the_study_s_own_is_the_reference_where_it_was_sampled(tmp_path):
    measure = Measure(Classifier(1, 10).eval().requires_grad_(False), torch.rand(40, 1, 32, 32))
    sag, alone, twin = Setting("fashion", scale=1.0, count=20), Results(tmp_path / "1"), Results(tmp_path / "2")
    sample_all(alone, Noise(), measure, [sag], float("inf"), "float32")
    for arithmetic in ("float16", "float32"):
        sample_all(twin, Noise(), measure, [sag], float("inf"), arithmetic)
    against = [results.named(f"{sag.name}, float32")["plain"] for results in (alone, twin)]
    assert against == [f"{sag.plain.name}, float32", sag.name]


def test_every_setting_comes_after_the_one_it_is_held_against():
    planned = ["choose", "decide"]
    for world, letters in (("fashion", [*"abcdefg", *planned]), ("emoji", ["a", "b", *planned]), ("wesnoth", planned)):
        names = [s.name for s in in_order(world, letters)]
        assert len(set(names)) == len(names)
        for setting in in_order(world, letters):
            before = setting.cfg_like or setting.plain.name
            assert names.index(before) <= names.index(setting.name)
