"""What self-attention guidance computes: tensors in, tensors out. Nothing of ComfyUI, the host, is imported.

Self-Attention Guidance (SAG): Hong et al., "Improving Sample Quality of Diffusion Models Using
Self-Attention Guidance", ICCV 2023, arXiv 2210.00939. The paper's symbols stand in brackets.

Glossary, with shapes
    sigma       noise level of an evaluation, in the model's own units
    x           noisy latent [x_t], [B, C, h, w]
    x0          a prediction of the clean latent [x_0 hat], [B, C, h, w]
    denoised    the x0 that CFG makes of the predictions of both prompts, [B, C, h, w]
    cond        the positive prompt; uncond: the negative prompt
    q, k        queries and keys of one self-attention, [B, tokens, heads * dim]
    attention   how much attention a token receives; 1.0 is the average [A_t], [B, 1, rows, columns]
    mask        where attention is above the threshold [M_t], boolean, [B, 1, h, w]
    degraded    x0, blurred inside the mask [x_0 tilde], [B, C, h, w]
    sag         x0 that the model predicts for the degraded latent, [B, C, h, w]
    guidance    what is added to denoised, in units of x0, [B, C, h, w]
    blur_sigma  width of the Gaussian, in latent pixels
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F

BLUR_REACH = 4  # taps on each side of the centre: 9 x 9, as in the authors' Stable Diffusion pipeline
SMALLEST_SIDE = BLUR_REACH + 1  # reflected borders need one pixel more than they mirror
NARROWEST_BLUR = 0.01  # a narrower blur_sigma counts as this: all weights but the centre's are 0, and none overflows
DETAIL_BLUR = 0.7  # latent pixels; with less, the finest frequencies become stronger than in real pictures
SCORES_AT_ONCE = 2**24  # float32 scores held at any time: 64 MiB
UNBOUNDED_SIGMA = 1000.0  # a window that starts here, where the widget ends, has no upper bound


@dataclass(frozen=True)
class SigmaWindow:
    """Noise levels at which guidance acts: `end <= sigma <= start`, both inclusive. ValueError if start < end.

    A `start` of 1000 or more means no upper bound: zero-terminal-SNR models begin at 4518.
    """

    start: float
    end: float

    def __post_init__(self) -> None:
        if not self.start >= self.end:
            raise ValueError(f"SigmaWindow: start must not be below end, got start={self.start}, end={self.end}")

    def __contains__(self, sigma: float) -> bool:
        return self.end <= sigma and (sigma <= self.start or self.start >= UNBOUNDED_SIGMA)


def attention_received(q: torch.Tensor, k: torch.Tensor, heads: int) -> torch.Tensor:
    """Attention that each token receives [A_t]: column sums of softmax(q k^T / sqrt(dim)), averaged over heads.

    q and k are [B, tokens, heads * dim] of any float type; the result is float32 [B, tokens] and averages 1.0.
    ValueError if their shapes differ or `heads` does not divide their last dimension. Memory grows with the number of
    tokens, not with its square. Scores, exponentials and sums are float32: half precision cannot overflow.
    """
    if q.shape != k.shape or q.ndim != 3 or heads < 1 or q.shape[-1] % heads:
        shapes = f"q of shape {tuple(q.shape)}, k of shape {tuple(k.shape)}, heads={heads}"
        raise ValueError(f"attention_received: q and k must be [B, tokens, heads * dim], got {shapes}")
    queries, keys = (t.unflatten(-1, (heads, -1)).transpose(1, 2) for t in (q, k))  # [B, heads, tokens, dim]
    return column_sums(queries, keys).mean(dim=1)


def column_sums(queries: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
    """Column sums of softmax(q k^T / sqrt(dim)), float32 [B, heads, tokens]; both inputs are [B, heads, tokens, dim].

    To hold no more than SCORES_AT_ONCE, it takes some heads at a time or, if one has too many, some rows of one head.
    """
    batch, heads, tokens, _ = keys.shape
    queries, keys = queries.flatten(0, 1), keys.flatten(0, 1)
    if batch * heads * tokens**2 <= SCORES_AT_ONCE:
        return sums_over_rows(queries, keys).view(batch, heads, tokens)
    heads_at_once, rows_at_once = max(1, SCORES_AT_ONCE // tokens**2), max(1, SCORES_AT_ONCE // tokens)
    sums = torch.zeros(batch * heads, tokens, dtype=torch.float32, device=keys.device)
    parts = (t.split(heads_at_once) for t in (sums, queries, keys))
    for some_sums, some_queries, some_keys in zip(*parts, strict=True):
        for rows in some_queries.split(rows_at_once, dim=1):
            some_sums += sums_over_rows(rows, some_keys)
    return sums.view(batch, heads, tokens)


def sums_over_rows(rows: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
    """What some queries [N, rows, dim] add to the column sums of keys [N, tokens, dim]: float32 [N, tokens]."""
    scores = torch.bmm(rows.float() * keys.shape[-1] ** -0.5, keys.float().transpose(1, 2))
    weights = scores.softmax(dim=-1)
    ones = weights.new_ones(len(weights), 1, weights.shape[1])
    return (ones @ weights).squeeze(1)  # as weights.sum(dim=1), which takes twice the memory on a GPU


@functools.lru_cache(maxsize=8)
@torch.inference_mode(mode=False)  # the host samples in that mode; a tensor kept from it could not be used in training
def gaussian_kernel(blur_sigma: float, device: torch.device) -> torch.Tensor:
    """The weights of a Gaussian of width `blur_sigma` > 0, in latent pixels: float32 [9, 9], with a sum of 1."""
    # Made on its device: a copy from the CPU would wait for all the work that the GPU has still to do.
    t = torch.arange(-BLUR_REACH, BLUR_REACH + 1, dtype=torch.float32, device=device)
    weights = torch.exp(-0.5 * (t * (1 / max(blur_sigma, NARROWEST_BLUR))) ** 2)
    weights /= weights.sum()
    return torch.outer(weights, weights)


def blur(x0: torch.Tensor, blur_sigma: float) -> torch.Tensor:
    """Gaussian blur [G_sigma] of [B, C, h, w] with reflected borders.

    ValueError if `blur_sigma`, in latent pixels, is not above 0, or if h or w is below 5.
    """
    if not blur_sigma > 0:
        raise ValueError(f"blur: blur_sigma must be above 0, got {blur_sigma}")
    if min(x0.shape[-2:]) < SMALLEST_SIDE:
        raise ValueError(f"blur: x0 must be at least {SMALLEST_SIDE} high and wide, got shape {tuple(x0.shape)}")
    channels = x0.shape[1]
    kernel = gaussian_kernel(blur_sigma, x0.device).expand(channels, 1, -1, -1)
    padded = F.pad(x0.float(), [BLUR_REACH] * 4, mode="reflect")
    return F.conv2d(padded, kernel, groups=channels).to(x0.dtype)


def degrade(x0: torch.Tensor, mask: torch.Tensor, blur_sigma: float) -> torch.Tensor:
    """x0 [B, C, h, w], blurred where mask [B, 1, h, w] is true [x_0 tilde]; ValueError as for `blur`."""
    return torch.where(mask, blur(x0, blur_sigma), x0)


def detail_taken(x0: torch.Tensor, degraded: torch.Tensor) -> torch.Tensor:
    """What the blur took away, a little smoothed: G_0.7(x0 - degraded), [B, C, h, w]; 0 outside the mask's reach.

    Guidance that gives a part of it back no longer points towards blur. But for the smoothing, it is

        degraded - sag + detail * (x0 - degraded)

    With detail 0 this is the paper's: degraded - sag = sigma * (eps(degraded latent) - eps(latent)), if
    x = x0 + sigma * noise. The model sharpens what was blurred, so sag is sharper than degraded, and this smooths.
    With detail 1 it is x0 - sag, the difference of the two x0 predictions, as in autoguidance (Karras et al.,
    arXiv 2406.02507). It leads away from what the model makes of the degraded latent.
    As sigma goes to 0, the model changes nothing any more: sag = degraded, and the first part is gone. What is left is
    detail * (x0 - degraded), an unsharp mask in the attended places.
    """
    return blur(x0 - degraded, DETAIL_BLUR)


def zero_nonfinite(*parts: torch.Tensor) -> tuple[list[torch.Tensor], torch.Tensor]:
    """The parts of a guidance, [B, C, h, w] each, and which samples are finite in all of them, boolean [B].

    A sample that is not finite becomes 0 in every part, and as a whole: guidance in some places only would show a seam.
    """
    finite = functools.reduce(torch.logical_and, map(is_finite, parts))
    return [torch.where(finite, part, 0) for part in parts], finite.flatten()


def is_finite(part: torch.Tensor) -> torch.Tensor:
    """Which samples of [B, C, h, w] hold only finite numbers: boolean [B, 1, 1, 1]."""
    # One number for each sample, kept on the device, so that the CPU need not wait. A NaN is not below infinity either.
    wide = torch.promote_types(part.dtype, torch.float32)  # the squares of halves would overflow
    norm = torch.linalg.vector_norm(part, dim=tuple(range(1, part.ndim)), keepdim=True, dtype=wide)
    return norm < math.inf


def upsample_nearest(attention: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Attention [B, 1, rows, columns] at the size [B, 1, height, width]: each token becomes a block of equal values."""
    return F.interpolate(attention, size=(height, width), mode="nearest")


class AttentionBlend:
    """Whole-frame attention of several prompts, each with a region and a weight.

    The host blends predictions as sum(weight * prediction) / sum(weight). This blends their attention the same way,
    so that a prompt counts in the mask where, and as strongly as, it counts in the prediction.
    """

    def __init__(self, x: torch.Tensor, threshold: float) -> None:
        """`x` is the latent [B, C, h, w], `threshold` what attention must exceed."""
        self.threshold = threshold
        # sum(weight * (attention - threshold)), above 0 where sum(weight * attention) / sum(weight) > threshold.
        self.excess = torch.zeros_like(x[:, :1], dtype=torch.float32)

    def add(self, attention: torch.Tensor, weight: torch.Tensor, top: int, left: int) -> None:
        """Add attention [B, 1, rows, columns] with weight [B, 1, height, width], whose corner lies at (top, left)."""
        height, width = weight.shape[-2:]
        excess = upsample_nearest(attention.to(self.excess) - self.threshold, height, width)
        self.excess[..., top : top + height, left : left + width].addcmul_(excess, weight.to(excess))

    def mask(self) -> torch.Tensor:
        """Where the blended attention exceeds the threshold: boolean [B, 1, h, w]; false where nothing was added."""
        return self.excess > 0


# The share of the scale that a fade leaves, by t, which goes from 0 where the fade begins to 1 where it ends.
FADES: dict[str, Callable[[float], float]] = {
    "none": lambda t: 1.0,
    "in": lambda t: t,
    "out": lambda t: 1.0 - t,
    "in and out": lambda t: 1.0 - abs(2.0 * t - 1.0),
}


def fade_span(
    window: SigmaWindow, model_sigmas: tuple[float, float], steps: Sequence[float]
) -> tuple[float, float]:
    """The highest and the lowest sigma of a fade, in a run whose steps begin at the sigmas `steps`, all above 0.

    A bound of the window that lies within `model_sigmas`, the model's largest and smallest, is an end of the fade. With
    two such bounds, the fade is the same however a schedule is cut into runs. A bound beyond them leaves the window
    open on that side, and the fade ends at the highest or the lowest of the run's steps.
    """
    largest, smallest = model_sigmas
    open_above = window.start > largest or window.start >= UNBOUNDED_SIGMA
    open_below = window.end < smallest or window.end == 0
    return max(steps) if open_above else window.start, min(steps) if open_below else window.end


def fade_weight(fade: str, sigma: float, high: float, low: float) -> float:
    """The share of the scale, 0 to 1, that `fade` leaves at `sigma`, if it goes from the sigma `high` down to `low`.

    t = (ln high - ln sigma) / (ln high - ln low), 0 above `high` and 1 below `low`. If `high` is not above `low`, there
    is nothing to fade, and the share is 1. ValueError for an unknown fade, and if `low` is not above 0.
    """
    if fade not in FADES:
        raise ValueError(f"fade_weight: fade must be one of {', '.join(FADES)}, got {fade}")
    if not low > 0:
        raise ValueError(f"fade_weight: low must be above 0, got {low}")
    if high <= low:
        return 1.0
    clamped = min(high, max(low, sigma))
    return FADES[fade](math.log(high / clamped) / math.log(high / low))


def rescale_guidance(guidance: torch.Tensor, base: torch.Tensor, cond: torch.Tensor, amount: float) -> torch.Tensor:
    """Guidance, made weaker if `base + guidance` has more contrast than `cond`, else stronger; all [B, C, h, w].

    Per sample, guidance * (amount * std(cond) / std(base + guidance) + 1 - amount); if a std is 0, nothing changes.
    After Lin et al., "Common Diffusion Noise Schedules and Sample Steps Are Flawed", arXiv 2305.08891, algorithm 2.
    """
    wanted_std, found_std = (t.float().flatten(1).std(dim=1) for t in (cond, base + guidance))
    ratio = torch.where((wanted_std > 0) & (found_std > 0), wanted_std / found_std, 1.0)
    factor = amount * ratio + 1 - amount
    return guidance * factor.to(guidance).view(-1, *[1] * (guidance.ndim - 1))
