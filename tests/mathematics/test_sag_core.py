"""The mathematics, on hand-made tensors and against independent references; torch alone."""

import math
import re

import pytest
import torch
import torch.nn.functional as F

from sag_delayed_activation import sag_core
from sag_delayed_activation.sag_core import AttentionBlend, SigmaWindow


@pytest.mark.parametrize("sigma, inside", [(5.42, True), (0.28, True), (2.0, True), (5.43, False), (0.27, False)])
def test_both_ends_of_the_window_are_inside(sigma, inside):
    assert (sigma in SigmaWindow(start=5.42, end=0.28)) is inside


@pytest.mark.parametrize("start, inside", [(999.99, False), (1000.0, True), (999999999.9, True)])
def test_a_start_of_1000_or_more_has_no_upper_bound(start, inside):
    assert (4518.8 in SigmaWindow(start, end=0.0)) is inside


def test_a_window_may_hold_one_sigma_but_not_none():
    assert 2.0 in SigmaWindow(2.0, 2.0) and 2.01 not in SigmaWindow(2.0, 2.0)
    with pytest.raises(ValueError, match="start must not be below end, got start=1.0, end=2.0"):
        SigmaWindow(1.0, 2.0)


def dense_attention(q, k, heads):
    """Column sums by torch's own attention: with the identity as values it returns the weights themselves."""
    batch, tokens, _ = q.shape
    q, k = (t.float().view(batch, tokens, heads, -1).transpose(1, 2) for t in (q, k))
    identity = torch.eye(tokens).expand(batch, heads, tokens, tokens)
    return F.scaled_dot_product_attention(q, k, identity).mean(1).sum(1)


@pytest.fixture
def in_chunks(monkeypatch):
    """Column sums in several chunks, the last one short."""
    monkeypatch.setattr(sag_core, "SCORES_AT_ONCE", 700)


@pytest.mark.parametrize("tokens", [1, 20, 35, 64])
def test_attention_equals_torchs_own(tokens, in_chunks):
    q, k = torch.randn(2, 3, tokens, 4 * 8, generator=torch.Generator().manual_seed(1)).unbind(0)
    torch.testing.assert_close(sag_core.attention_received(q, k, 4), dense_attention(q, k, 4))


def test_attention_averages_one(in_chunks):
    q, k = torch.randn(2, 1, 60, 32)
    assert sag_core.attention_received(q, k, 4).mean().item() == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize(
    "q, k, heads",
    [((2, 6, 8), (2, 5, 8), 2), ((6, 8), (6, 8), 2), ((1, 6, 8), (1, 6, 8), 0), ((1, 6, 8), (1, 6, 8), -1),
     ((1, 6, 8), (1, 6, 8), 3)],
    ids=str,
)  # fmt: skip
def test_queries_and_keys_that_are_no_attention_are_refused_with_their_shapes(q, k, heads):
    with pytest.raises(ValueError, match=re.escape(f"q of shape {q}, k of shape {k}, heads={heads}")):
        sag_core.attention_received(torch.zeros(q), torch.zeros(k), heads)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_half_precision_scores_do_not_overflow(kind, in_chunks):
    q = torch.full((1, 6, 64), 40.0, dtype=kind)  # q k^T = 102,400, above the largest half, 65,504
    rounding = 102_400 / 8 * 2**-23  # of a score in float32
    torch.testing.assert_close(sag_core.attention_received(q, q, 1), torch.ones(1, 6), rtol=0, atol=rounding)


@pytest.mark.parametrize(
    "shape, allowed, products",
    [
        ((2, 2, 32, 4), 2 * 2 * 32 * 32, 1),
        ((2, 2, 32, 4), 2 * 2 * 32 * 32 - 1, 2),  # three heads, and one
        ((2, 2, 32, 4), 2 * 32 * 32, 2),
        ((1, 4, 256, 2), 4096, 64),
        ((1, 1, 5, 4), 3, 5),  # a row is the least
    ],
)
def test_no_more_scores_are_held_than_allowed_and_as_many_as_are(shape, allowed, products, monkeypatch):
    sizes = []
    bmm = torch.bmm
    monkeypatch.setattr(torch, "bmm", lambda a, b: sizes.append((out := bmm(a, b)).numel()) or out)
    monkeypatch.setattr(sag_core, "SCORES_AT_ONCE", allowed)
    sag_core.column_sums(*torch.randn(2, *shape))
    assert max(sizes) <= max(allowed, shape[2]) and len(sizes) == products


def test_the_blur_is_the_gaussian_written_out():
    image, width = torch.zeros(1, 1, 11, 13), 1.3
    image[0, 0, 5, 6] = 1.0
    y, x = torch.meshgrid(torch.arange(-4.0, 5), torch.arange(-4.0, 5), indexing="ij")
    bell = torch.exp(-(x * x + y * y) / (2 * width**2))
    torch.testing.assert_close(sag_core.blur(image, width)[0, 0, 1:10, 2:11], bell / bell.sum())


def test_the_blur_reflects_at_the_borders():
    ramp = torch.arange(9.0).expand(1, 1, 9, 9)
    kernel = sag_core.gaussian_kernel(2.0, ramp.device).sum(dim=0)
    mirrored = torch.tensor([4.0, 3, 2, 1, 0, 1, 2, 3, 4])
    torch.testing.assert_close(sag_core.blur(ramp, 2.0)[0, 0, 4, 0], (kernel * mirrored).sum())


def test_a_constant_stays_constant_and_channels_stay_apart():
    image = torch.tensor([1.0, -2.0]).view(1, 2, 1, 1).expand(3, 2, 5, 7)
    torch.testing.assert_close(sag_core.blur(image, 2.0), image.contiguous())


def test_more_blur_sigma_blurs_more():
    image = torch.randn(1, 1, 32, 32)
    spread = [sag_core.blur(image, s).std().item() for s in (0.3, 0.6, 1.0, 2.0, 4.0, 10.0)]
    assert spread == sorted(spread, reverse=True) and spread[0] > 2 * spread[-1]


@pytest.mark.parametrize("width", [1e-3, 1e-30, 1e-300, 5e-324])
def test_a_vanishing_blur_is_the_identity_and_never_nan(width):
    image = torch.randn(1, 2, 6, 6)
    assert torch.equal(sag_core.blur(image, width), image)


def test_a_kernel_made_in_inference_mode_serves_those_who_train():
    sag_core.gaussian_kernel.cache_clear()
    with torch.inference_mode():
        sag_core.blur(torch.zeros(1, 4, 8, 8), 2.0)
    x0 = torch.zeros(1, 4, 8, 8, requires_grad=True)
    sag_core.blur(x0, 2.0).sum().backward()
    torch.testing.assert_close(x0.grad.sum(), torch.tensor(256.0))


@pytest.mark.parametrize("width", [0.0, -0.5, math.nan])
def test_a_blur_without_a_width_is_refused(width):
    with pytest.raises(ValueError, match=f"blur_sigma must be above 0, got {width}"):
        sag_core.blur(torch.zeros(1, 4, 8, 8), width)


def test_a_latent_too_small_to_blur_is_refused_with_its_shape():
    with pytest.raises(ValueError, match=r"at least 5.*\(1, 4, 4, 9\)"):
        sag_core.blur(torch.zeros(1, 4, 4, 9), 2.0)


def test_only_the_masked_region_is_degraded():
    x0, mask = torch.randn(2, 4, 8, 6), torch.zeros(2, 1, 8, 6, dtype=torch.bool)
    mask[1, 0, :4] = True
    degraded = sag_core.degrade(x0, mask, 2.0)
    assert torch.equal(degraded[0], x0[0]) and torch.equal(degraded[1, :, 4:], x0[1, :, 4:])
    assert not torch.isclose(degraded[1, :, :4], x0[1, :, :4]).all()


def test_what_was_taken_is_smoothed_and_is_0_where_nothing_was():
    x0 = torch.full((1, 1, 16, 16), 2.0)
    degraded = x0.clone()
    degraded[..., 8, 8] -= 1.0
    taken = sag_core.detail_taken(x0, degraded)
    assert 0.3 < taken[..., 8, 8] < 0.4 and abs(taken.sum() - 1) < 1e-5  # the centre of a Gaussian of width 0.7
    assert taken[..., :4, :4].abs().max() == 0


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_guidance_that_is_not_finite_is_left_out_for_its_own_picture_alone(bad, kind):
    guidance = torch.randn(3, 4, 6, 5).to(kind)
    spoilt = guidance.clone()
    spoilt[1, 2, 3, 4] = bad
    parts, finite = sag_core.zero_nonfinite(spoilt, guidance)
    assert finite.tolist() == [True, False, True]
    for kept in parts:  # where one part of it is not, no part is
        assert torch.equal(kept[::2], guidance[::2]) and not kept[1].any() and kept.dtype == kind


def test_large_finite_guidance_is_kept_in_half_precision():
    guidance = torch.full((1, 4, 64, 64), 60_000.0, dtype=torch.float16)  # their sum is beyond the largest half
    ([kept], _) = sag_core.zero_nonfinite(guidance)
    assert torch.equal(kept, guidance)


def whole(value, height=6, width=10):
    return torch.full((1, 1, height, width), value)


def test_one_prompt_alone_gives_its_own_map_whatever_its_weight():
    attention = torch.tensor([[[[0.9, 1.1], [1.2, 0.8]]]])
    blend = AttentionBlend(torch.zeros(1, 4, 6, 10), 1.0)
    blend.add(attention, whole(0.3), 0, 0)
    expected = torch.tensor([[False, True], [True, False]]).repeat_interleave(3, 0).repeat_interleave(5, 1)
    assert torch.equal(blend.mask()[0, 0], expected)


def test_maps_are_blended_before_they_are_compared():
    blend = AttentionBlend(torch.zeros(1, 4, 6, 10), 1.0)
    blend.add(torch.tensor([[[[1.5]]]]), whole(1.0), 0, 0)
    blend.add(torch.tensor([[[[0.3]]]]), whole(1.0), 0, 0)  # alone: above and below; together 0.9
    assert not blend.mask().any()


def test_a_region_counts_only_in_its_place_and_a_vanishing_one_not_at_all():
    blend = AttentionBlend(torch.zeros(1, 4, 6, 10), 1.0)
    blend.add(torch.tensor([[[[0.8]]]]), whole(1.0), 0, 0)
    blend.add(torch.tensor([[[[2.0]]]]), torch.ones(1, 1, 2, 3), 4, 7)
    blend.add(torch.tensor([[[[2.0]]]]), torch.full((1, 1, 6, 3), 1e-5), 0, 0)
    expected = torch.zeros(6, 10, dtype=torch.bool)
    expected[4:, 7:] = True
    assert torch.equal(blend.mask()[0, 0], expected)


def test_where_nothing_was_added_nothing_is_masked():
    assert not AttentionBlend(torch.ones(2, 4, 6, 10), 1.0).mask().any()


def of_contrast(*stds):
    """Pictures [B, 3, 5, 7] of these standard deviations."""
    noise = torch.randn(len(stds), 3, 5, 7)
    return noise / noise.std(dim=(1, 2, 3), keepdim=True) * torch.tensor(stds).view(-1, 1, 1, 1)


@pytest.mark.parametrize("amount, factors", [(0.0, [1.0, 1.0]), (0.5, [5 / 6, 1.5]), (1.0, [2 / 3, 2.0])])
def test_rescaling_draws_each_picture_towards_the_contrast_of_its_prompt(amount, factors):
    guidance, cond, total = of_contrast(1.0, 1.0), of_contrast(0.2, 0.6), of_contrast(0.3, 0.3)
    found = sag_core.rescale_guidance(guidance, total - guidance, cond, amount)
    torch.testing.assert_close(found, guidance * torch.tensor(factors).view(2, 1, 1, 1))


@pytest.mark.parametrize("cond, total", [(0.0, 0.3), (0.3, 0.0), (0.0, 0.0)])
def test_where_a_contrast_is_0_rescaling_changes_nothing(cond, total):
    guidance = of_contrast(1.0)
    found = sag_core.rescale_guidance(guidance, of_contrast(total) - guidance, of_contrast(cond), 0.5)
    assert torch.equal(found, guidance)
