"""Packs that users run beside this one. None is on a registry, so each stands here as the few lines of its hook.

Hooks are closures: ComfyUI before 0.14 copies objects when it clones a MODEL.
"""

import comfy.samplers
import pytest
import torch
from comfy.ldm.modules.attention import optimized_attention
from comfy_extras.nodes_model_advanced import RescaleCFG
from hosts import has_pre_cfg, since_0_3_7
from sag_delayed_activation.nodes_advanced import SelfAttentionGuidanceAdvanced
from tiny_unet import Calls, distance, first_guidance, noise, sample

pytestmark = pytest.mark.host
FRAMES = (8, 4, 16, 16)


def hooked(setter):
    """A pack, as a function from MODEL to MODEL, from what its node does to the clone."""

    def pack(model):
        patched = model.clone()
        setter(patched)
        return patched

    return pack


POSITIVE_IMAGE, NEGATIVE_IMAGE, OTHER_IMAGE = (noise((1, 4, 64), seed) for seed in (1, 2, 5))


def ip_adapter(positive=POSITIVE_IMAGE, negative=NEGATIVE_IMAGE, used=None):
    """IPAdapter plus: an attn2 replace adds attention to an image's tokens, other ones for each cond_or_uncond."""

    def replace(q, k, v, extra_options):
        places, heads = extra_options["cond_or_uncond"], extra_options["n_heads"]
        if used is not None:
            used.append(list(places))
        image = torch.cat([(positive, negative)[p].expand(q.shape[0] // len(places), -1, -1) for p in places])
        return optimized_attention(q, k, v, heads) + optimized_attention(q, image, image, heads)

    return hooked(lambda m: m.set_model_attn2_replace(replace, "middle", 0))


def nag(model):
    """Normalized Attention Guidance: an attn2 replace draws the positive's rows, and only those, away from a prompt."""

    def replace(q, k, v, extra_options):
        places = extra_options["cond_or_uncond"]
        out = optimized_attention(q, k, v, extra_options["n_heads"]).chunk(len(places))
        away = optimized_attention(q, k.roll(1, 1), v.roll(1, 2), extra_options["n_heads"]).chunk(len(places))
        return torch.cat([o + 2 * (o - a) if p == 0 else o for o, a, p in zip(out, away, places, strict=True)])

    return hooked(lambda m: m.set_model_attn2_replace(replace, "middle", 0))(model)


def skimmed_cfg(model):
    """Skimmed CFG, and the pre-CFG functions of Extraltodeus' packs: the negative's prediction is replaced."""

    def pre_cfg(args):
        cond, uncond = args["conds_out"]
        return [cond, torch.where(cond * uncond > 0, cond, uncond)]

    return hooked(lambda m: m.set_model_sampler_pre_cfg_function(pre_cfg))(model)


def dynamic_thresholding(model):
    """Dynamic Thresholding: a CFG function cuts the result off at the quantile that a lower scale would have."""

    def cfg(args):
        cond, uncond, x = args["cond"], args["uncond"], args["input"]
        strong, mimic = (x - (uncond + s * (cond - uncond)) for s in (args["cond_scale"], 3.0))
        most = mimic.abs().flatten(1).quantile(0.9, dim=1).view(-1, 1, 1, 1)
        return x - strong.clamp(-most, most)

    return hooked(lambda m: m.set_model_sampler_cfg_function(cfg))(model)


def rescale_cfg(model):
    """The host's RescaleCFG: a CFG function, on the hook that Dynamic Thresholding takes, too."""
    made = RescaleCFG.execute(model, 0.7).args if hasattr(RescaleCFG, "execute") else RescaleCFG().patch(model, 0.7)
    return made[0]


def fixed_batch(model):
    """Engines built for one batch size (TensorRT, stable-fast): a function wrapper fills up to two rows and cuts."""

    def two(apply_model, x, timestep, c):
        rows = x.shape[0]

        def fill(t):
            return torch.cat([t, t[-1:]])[:2] if torch.is_tensor(t) and t.shape[0] == rows == 1 else t

        return apply_model(fill(x), fill(timestep), **{name: fill(value) for name, value in c.items()})[:rows]

    def wrapper(apply_model, args):
        x, timestep, c = args["input"], args["timestep"], args["c"]
        parts = []
        for row in range(0, x.shape[0], 2):
            some = slice(row, row + 2)
            own = {name: value[some] if torch.is_tensor(value) else value for name, value in c.items()}
            parts.append(two(apply_model, x[some], timestep[some], own))
        return torch.cat(parts)

    return hooked(lambda m: m.set_model_unet_function_wrapper(wrapper))(model)


def tiled_diffusion(model):
    """Tiled Diffusion: a function wrapper has the UNet look at one crop of the latent after the other."""

    def wrapper(apply_model, args):
        tiles = args["input"].split(16, dim=-1)
        return torch.cat([apply_model(tile, args["timestep"], **args["c"]) for tile in tiles], dim=-1)

    return hooked(lambda m: m.set_model_unet_function_wrapper(wrapper))(model)


def hypertile_to_the_middle(model):
    """HyperTile at its largest depth: an attn1 patch makes tiles into rows of the batch, and another undoes it."""

    def tile(q, k, v, extra_options):
        return tuple(t.unflatten(1, (2, -1)).flatten(0, 1) for t in (q, k, v))

    def undo(out, extra_options):
        return out.unflatten(0, (-1, 2)).flatten(1, 2)

    def both(m):
        m.set_model_attn1_patch(tile)
        m.set_model_attn1_output_patch(undo)

    return hooked(both)(model)


def token_merging_in_the_middle(model):
    """ToMe without a limit of depth: an attn1 patch gives fewer keys and values than there are tokens."""
    return hooked(lambda m: m.set_model_attn1_patch(lambda q, k, v, extra_options: (q, k[:, ::2], v[:, ::2])))(model)


ACTING = {
    "IPAdapter": ip_adapter(),
    "NAG": nag,
    "Skimmed CFG": skimmed_cfg,
    "Dynamic Thresholding": dynamic_thresholding,
    "RescaleCFG": rescale_cfg,
}
LEFT_ALONE = {
    "Tiled Diffusion": (tiled_diffusion, "the UNet did not run all of the negative prompt"),
    "HyperTile to the middle": (hypertile_to_the_middle, "does not fit a"),
    "ToMe in the middle": (token_merging_in_the_middle, "does not fit a"),
}
MARKS = {"Skimmed CFG": has_pre_cfg}
orders = pytest.mark.parametrize("first", [True, False], ids=["before it", "after it"])


def each(packs):
    return pytest.mark.parametrize("pack", [pytest.param(packs[n], id=n, marks=MARKS.get(n, ())) for n in packs])


def beside(pack, patch, model, first):
    return patch(pack(model)) if first else pack(patch(model))


@each(ACTING)
@orders
def test_inside_the_window_both_act(sag, model, pack, first):
    latent = sample(beside(pack, sag, model, first))
    assert torch.isfinite(latent).all()
    assert distance(latent, sample(pack(model))) > 1e-3 and distance(latent, sample(sag(model))) > 1e-3


@each(ACTING | {name: pack for name, (pack, _) in LEFT_ALONE.items()})
@orders
def test_outside_the_window_the_packs_own_result_comes_to_the_bit(sag, model, plain, pack, first):
    alone = sample(pack(model))
    assert distance(alone, plain) > 1e-3
    assert torch.equal(sample(beside(pack, lambda m: sag(m, sigma_start=0.01), model, first)), alone)


@pytest.mark.parametrize("pack, why", LEFT_ALONE.values(), ids=LEFT_ALONE)
@orders
def test_what_hides_the_tokens_from_it_is_left_alone_and_said(sag, model, caplog, pack, why, first):
    with Calls(model) as calls:
        latent = sample(beside(pack, sag, model, first))
    assert torch.equal(latent, sample(pack(model))) and [1] not in calls
    assert "passed over 4 in the window: 4 because" in caplog.text and why in caplog.text


NOT_OF_THE_NEGATIVE = ["NAG", "Dynamic Thresholding", "RescaleCFG"]


@each({name: ACTING[name] for name in NOT_OF_THE_NEGATIVE})
@orders
def test_what_leaves_the_negative_alone_leaves_the_guidance_alone(sag, model, pack, first):
    """On the first evaluation, where the latent is still the same."""
    expected = first_guidance(model, sag, lambda m: sample(m, steps=1))
    found = first_guidance(model, lambda m: beside(pack, sag, m, first), lambda m: sample(m, steps=1))
    assert distance(found, expected) < 1e-3 < expected.norm()


@since_0_3_7
@orders
def test_what_replaces_predictions_before_cfg_leaves_the_guidance_alone(sag, model, first):
    expected = first_guidance(model, sag, lambda m: sample(m, steps=1))
    found = first_guidance(model, lambda m: beside(skimmed_cfg, sag, m, first), lambda m: sample(m, steps=1))
    assert distance(found, expected) < 1e-3 < expected.norm()


def test_the_degraded_pass_sees_the_image_of_ip_adapters_negative(sag, model):
    used = []
    sample(ip_adapter(used=used)(sag(model)))
    assert used == [[1, 0], [1]] * 4

    def guidance(**images):
        return first_guidance(ip_adapter(**images)(model), sag, lambda m: sample(m, steps=1))

    assert distance(guidance(positive=OTHER_IMAGE), guidance()) < 1e-4
    assert distance(guidance(negative=OTHER_IMAGE), guidance()) > 1e-2


def test_the_degraded_pass_of_the_positive_sees_the_positives_image(model):
    used = []
    adapted = ip_adapter(used=used)(model)
    sample(SelfAttentionGuidanceAdvanced().patch(adapted, 0.5, 2.0, 15.0, 0.0, branch="positive")[0])
    assert used == [[1, 0], [0]] * 4


@orders
def test_a_fixed_batch_of_two_changes_nothing_where_the_calls_fit_into_it(sag, model, first):
    with Calls(model) as calls:
        latent = sample(beside(fixed_batch, sag, model, first))
    assert calls == [[1, 0], [1]] * 4
    assert distance(latent, sample(sag(model))) < 1e-5


def test_a_call_that_a_fixed_batch_takes_apart_is_left_alone_and_said(sag, model, caplog):
    shape = (2, 4, 24, 40)
    latent = sample(sag(fixed_batch(model)), shape=shape)
    assert torch.equal(latent, sample(fixed_batch(model), shape=shape))
    assert "does not fit a 12x20 map" in caplog.text


def sliding(calc_cond_batch):
    """AnimateDiff-Evolved's sliding contexts: some frames at a time, with overlap, instead of all at once."""

    def windows(model, conds, x, sigma, options):
        outs, counts = [torch.zeros_like(x) for _ in conds], torch.zeros_like(x)
        for first in (0, 3, 4):
            frames = slice(first, first + 4)
            counts[frames] += 1
            for out, part in zip(outs, calc_cond_batch(model, conds, x[frames], sigma[frames], options), strict=True):
                out[frames] += part
        return [out / counts for out in outs]

    return windows


def test_sliding_contexts_over_frames_are_left_alone(sag, model, monkeypatch):
    """As AnimateDiff-Evolved had them at first: it swapped the host's function."""
    monkeypatch.setattr(comfy.samplers, "calc_cond_batch", sliding(comfy.samplers.calc_cond_batch))
    with Calls(model) as calls:
        latent = sample(sag(model), shape=FRAMES, steps=2)
    assert [1] not in calls and torch.equal(latent, sample(model, shape=FRAMES, steps=2))


@since_0_3_7
@orders
def test_sliding_contexts_in_a_wrapper_are_left_alone_and_said(sag, model, caplog, first):
    """As AnimateDiff-Evolved has them since the host knows wrappers."""
    contexts = hooked(lambda m: m.add_wrapper_with_key("calc_cond_batch", "contexts", lambda executor, *args: sliding(
        executor)(*args)))  # fmt: skip
    with Calls(model) as calls:
        latent = sample(beside(contexts, sag, model, first), shape=FRAMES, steps=2)
    assert [1] not in calls and torch.equal(latent, sample(contexts(model), shape=FRAMES, steps=2))
    assert "2 because" in caplog.text
