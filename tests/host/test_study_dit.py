"""The study's DiT: the guidance reads the block that it names, and nothing else changes."""

from dataclasses import replace

import comfy.model_patcher
import comfy.sample
import pytest
import torch
import torch.nn.functional as F

from lab.study.dit.model import BLOCKS, build, initialise, velocity_loss
from lab.study.dit.questions import SKIP, DiTSetting

STEPS, BLOCK = 3, 3
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def model():
    """The host's MODEL with random weights, none of them zero."""
    torch.manual_seed(0)
    made = build("cpu", 1, 32)
    for parameter in made.diffusion_model.requires_grad_(False).parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=parameter[0].numel() ** -0.5)
        else:
            torch.nn.init.normal_(parameter, mean=0.5, std=0.1)
    return comfy.model_patcher.ModelPatcher(made, CPU, CPU)


def guide(model, block=BLOCK, start=1000.0, **settings):
    from lab.study.dit.guidance import with_guidance
    from sag_delayed_activation.sag_core import SigmaWindow
    from sag_delayed_activation.sampling.settings import AUTO, Settings

    own = {"scale": 1.0, "blur_sigma": 2.0, "window": SigmaWindow(start, 0.0), "branch": AUTO}
    return with_guidance(model, Settings(**own, **settings), block)


def sample(model, side=(32, 32), cfg=3.0):
    dice = torch.Generator().manual_seed(1)
    positive, negative = ([[torch.randn(1, 4, 64, generator=dice), {}]] for _ in range(2))
    noise = torch.randn(2, 1, *side, generator=dice)
    with torch.no_grad():
        return comfy.sample.sample(
            model, noise, STEPS, cfg, "euler", "normal", positive, negative, torch.zeros_like(noise),
            disable_pbar=True, seed=1,
        )  # fmt: skip


def run_of(model):
    """What is kept of the model's last run, and its masks."""
    from sag_delayed_activation.sampling.masks import MASK_STORE

    (runs,) = model.model_options[MASK_STORE].runs.values()
    return runs[-1], [torch.from_numpy(step.mask.unpacked()) for step in runs[-1].steps]


def attention_seen(model, grid, found):
    """Notes, at each call of BLOCK with two prompts, the negative's attention, from the block's own input."""

    def look(block, args, told):
        rows = told["transformer_options"]["cond_or_uncond"]
        if len(rows) == 2:
            (_, image), x_block = args, block.x_block
            q, k, _ = x_block.pre_attention(image, told["c"])[0]
            q, k = (t.unflatten(-1, (x_block.attn.num_heads, -1)).transpose(1, 2).double() for t in (q, k))
            received = (q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5).softmax(-1).sum(-2).mean(1)
            found.append(received.chunk(2)[rows.index(1)].view(-1, 1, *grid))

    return model.model.diffusion_model.joint_blocks[BLOCK].register_forward_pre_hook(look, with_kwargs=True)


@pytest.mark.parametrize("side, grid", [((32, 32), (16, 16)), ((31, 26), (16, 13))])
def test_the_mask_is_what_a_dense_softmax_over_the_image_s_tokens_gives(model, side, grid):
    guided, seen = guide(model), []
    hook = attention_seen(model, grid, seen)
    sample(guided, side)
    hook.remove()
    run, masks = run_of(guided)
    assert len(seen) == STEPS and [step.evaluation for step in run.steps] == [1, 2]  # at sigma 1 there is no blur
    assert "2 extra UNet calls; skipped 1 in the window: 1 because at sigma 1" in run.lines[0]
    for mask, received in zip(masks, seen[1:], strict=True):
        assert torch.equal(mask[:, None], F.interpolate(received, side, mode="nearest") > 1)
        assert 0.1 < mask.double().mean() < 0.9


def test_outside_the_window_the_latent_is_bit_identical_and_inside_it_is_not(model):
    plain = sample(model)
    assert torch.equal(sample(guide(model, start=0.0)), plain)
    assert (sample(guide(model)) - plain).norm() > 0.01 * plain.norm()


def test_another_block_is_another_mask(model):
    first, other = guide(model, 0), guide(model, BLOCKS - 1)
    sample(first), sample(other)
    assert not torch.equal(run_of(first)[1][0], run_of(other)[1][0])


def test_at_cfg_1_the_positive_is_read(model):
    guided = guide(model)
    sample(guided, cfg=1.0)
    assert len(run_of(guided)[1]) == STEPS - 1


def test_an_override_that_was_there_before_is_still_called(model):
    calls, other = [], model.clone()

    def override(attention, *args, **options):
        calls.append(1)
        return attention(*args, **options)

    other.model_options["transformer_options"]["optimized_attention_override"] = override
    guided = guide(other)
    assert torch.equal(sample(guided), sample(guide(model)))
    assert len(calls) == (STEPS + STEPS - 1) * BLOCKS


def test_the_study_samples_with_it_and_with_the_host_s_own_guidance(tmp_path):
    from safetensors.torch import save_file

    from lab.demo.sag_demo.architecture import CONTEXT_DIM, PREFIX, TABLE, TOKENS
    from lab.study.dit.sample import DiTSampler

    torch.manual_seed(0)
    dit = build("cpu", 3, 64).diffusion_model
    initialise(dit)
    torch.nn.init.normal_(dit.final_layer.linear.weight, std=0.1)
    weights = {f"{PREFIX}{name}": tensor.contiguous() for name, tensor in dit.state_dict().items()}
    save_file({**weights, TABLE: torch.randn(20, TOKENS * CONTEXT_DIM)}, tmp_path / "w.safetensors")
    sampler = DiTSampler(tmp_path / "w.safetensors", torch.arange(19), (1, 3, 64, 64), "float32", 1)
    own = DiTSetting("wesnoth", scale=1.0, steps=4, count=1, cfg=3.0, active=(2, 4), block=BLOCK)
    found = sampler.sample(own)
    assert found.pictures.shape == (1, 3, 64, 64) and found.extra_calls == 2
    assert sampler.sample(own.plain).extra_calls == 0
    calls = []
    counter = sampler.model.model.diffusion_model.register_forward_pre_hook(lambda *_: calls.append(1))
    skip = sampler.sample(replace(own, form=SKIP))
    counter.remove()
    assert skip.extra_calls == 2 == len(calls) - 4


def test_the_loss_is_that_of_the_velocity_which_a_flow_model_of_the_host_predicts():
    made = build("cpu", 1, 32)
    initialise(made.diffusion_model)  # its output is zero
    x0 = torch.full((64, 1, 32, 32), 2.0)
    loss = velocity_loss(made, made.model_sampling.sigmas, x0, torch.zeros(64, 4, 64))
    assert loss.item() == pytest.approx(5.0, abs=0.1)  # of noise - x0: 1 of the noise, 4 of x0
