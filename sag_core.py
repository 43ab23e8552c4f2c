"""What self-attention guidance computes: tensors in, tensors out, and no word of ComfyUI.

Self-Attention Guidance (SAG): Hong et al., "Improving Sample Quality of Diffusion Models Using
Self-Attention Guidance", ICCV 2023, arXiv 2210.00939. The paper's symbols stand in brackets.

Glossary, with shapes
    sigma       noise level of an evaluation, in the model's own units
    x           noisy latent, [B, C, h, w]
    x0          a prediction of the clean latent ("denoised"), [B, C, h, w]
    cond        the positive prompt; uncond: the negative prompt
    q, k        queries and keys of one self-attention, [B, tokens, heads * dim]
    attention   how much attention a token receives; 1.0 is the average [A_t], [B, 1, rows, columns]
    mask        where attention is above average [M_t], boolean, [B, 1, h, w]
    degraded    x0 with the masked regions blurred [x_0 tilde], [B, C, h, w]
    sag         x0 that the model predicts for the degraded latent, [B, C, h, w]
    blur_sigma  width of the Gaussian, in latent pixels
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F

BLUR_REACH = 4  # taps on each side of the centre: 9 x 9, as in the authors' Stable Diffusion pipeline
STEEPEST = 100.0  # 1 / blur_sigma at which all but the centre is 0 in float32; beyond, 0 times infinity would be NaN
SMALLEST_SIDE = BLUR_REACH + 1  # reflect padding needs one pixel more than it mirrors
SCORES_AT_ONCE = 2**24  # float32 scores held at any time, where no flash kernel serves: 64 MiB
FEW_SCORES = 2**20  # up to here holding them takes fewer and no slower operations than a flash kernel's two passes
FLASH_MULTIPLE = 8  # flash kernels take only such numbers of components
OFFSET_PARTS = 3  # halves whose sum is as fine as a float32
MEETS_OFFSET = 64.0  # keeps the offset's largest half in range, for scores up to half a million
UNBOUNDED_SIGMA = 1000.0  # the widget's end of the scale: from here on there is no upper bound


@dataclass(frozen=True)
class SigmaWindow:
    """Noise levels at which guidance acts: `end <= sigma <= start`, both inclusive.

    A `start` of 1000 or more means no upper bound: zero-terminal-SNR models begin at 4518.
    """

    start: float
    end: float

    def __contains__(self, sigma: float) -> bool:
        return self.end <= sigma and (sigma <= self.start or self.start >= UNBOUNDED_SIGMA)


def attention_received(q: torch.Tensor, k: torch.Tensor, heads: int) -> torch.Tensor:
    """Attention that each token receives: column sums of softmax(q k^T / sqrt(dim)), averaged over heads.

    q and k are [B, tokens, heads * dim] of any float type; the result is float32 [B, tokens] and averages 1.0.
    Memory grows with the number of tokens, and half precision cannot overflow: the scores, their sums and their
    exponentials are float32.
    """
    queries, keys = (t.unflatten(-1, (heads, -1)).transpose(1, 2) for t in (q, k))  # [B, heads, tokens, dim]
    few = queries[..., 0].numel() * keys.shape[-2] <= FEW_SCORES
    fused = not few and flash_attention_serves(q.device, q.dtype, queries.shape[-1])
    return (flash_column_sums if fused else column_sums)(queries, keys).mean(dim=1)


def column_sums(queries: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
    """Column sums of softmax(q k^T / sqrt(dim)), float32 [B, heads, tokens], of two [B, heads, tokens, dim].

    Where the scores are many they are never held whole: as many heads at a time as fit, or some rows of one head.
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
    """The share in the column sums, float32 [N, tokens], of some queries [N, rows, dim] with keys [N, tokens, dim]."""
    scores = torch.bmm(rows.float() * keys.shape[-1] ** -0.5, keys.float().transpose(1, 2))
    return scores.softmax(dim=-1).sum(dim=1)


def flash_column_sums(queries: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
    """What `column_sums` gives, from two passes of a flash attention kernel, which holds no scores at all.

    With s_ij = q_i k_j / sqrt(dim), such a kernel also returns r_i = log sum_j exp(s_ij), the logarithm of each row's
    sum. The column sum wanted is sum_i exp(s_ij - r_i): again the sum of a row, once queries and keys have changed
    places and -r_i is added to the scores. It is added inside the product: the queries get it as further components,
    the keys a constant to meet it. Halves are too coarse for r_i, so it comes as a sum of three. What is left is the
    rounding of s_ij - r_i in float32: a relative error of 2^-24 times the largest score.
    """
    dim = keys.shape[-1]
    wanted = log_row_sums(queries, keys, dim).neg() * (dim**0.5 / MEETS_OFFSET)
    offset = queries.new_zeros(*queries.shape[:-1], FLASH_MULTIPLE)
    for part in range(OFFSET_PARTS):
        offset[..., part] = wanted
        wanted = wanted - offset[..., part]
    constant = torch.full_like(offset, MEETS_OFFSET)
    return log_row_sums(torch.cat([keys, constant], dim=-1), torch.cat([queries, offset], dim=-1), dim).exp()


def log_row_sums(queries: torch.Tensor, keys: torch.Tensor, dim: int) -> torch.Tensor:
    """log sum_j exp(q_i k_j / sqrt(dim)), float32 [B, heads, tokens], by torch's flash attention kernels."""
    if queries.device.type == "cpu":
        return torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(queries, keys, keys, scale=dim**-0.5)[1]
    return torch.ops.aten._scaled_dot_product_flash_attention(queries, keys, keys, scale=dim**-0.5)[1]


@functools.cache
def flash_attention_serves(device: torch.device, dtype: torch.dtype, dim: int) -> bool:
    """Whether torch has a flash kernel for such queries and keys, and it returns what `log_row_sums` says.

    The kernels are there for scaled_dot_product_attention, and torch makes no promise about them. So they are tried
    on a small example, once, rather than trusted.
    """
    probe = torch.linspace(-3, 3, 2 * 16 * dim).sin().view(2, 1, 1, 16, dim).to(device, dtype)
    try:
        return torch.allclose(flash_column_sums(*probe), column_sums(*probe), rtol=0, atol=2e-5)
    except (AttributeError, RuntimeError, TypeError):
        return False


@functools.lru_cache(maxsize=8)
@torch.inference_mode(mode=False)  # the host's mode, in which it may be made, would taint it for those who train
def gaussian_kernel(blur_sigma: float, device: torch.device) -> torch.Tensor:
    """The weights of a Gaussian of width `blur_sigma` > 0 (latent pixels), float32 [9, 9]; they sum to 1."""
    # Made where it is needed: a copy from the CPU would wait for everything that the GPU has still to do.
    t = torch.arange(-BLUR_REACH, BLUR_REACH + 1, dtype=torch.float32, device=device)
    weights = torch.exp(-0.5 * (t * min(1 / blur_sigma, STEEPEST)) ** 2)
    weights /= weights.sum()
    return torch.outer(weights, weights)


def blur(x0: torch.Tensor, blur_sigma: float) -> torch.Tensor:
    """Gaussian blur of [B, C, h, w] with reflected borders; h and w must be at least 5, blur_sigma above 0."""
    if min(x0.shape[-2:]) < SMALLEST_SIDE:
        raise ValueError(f"blur: height and width must be at least {SMALLEST_SIDE}, got shape {tuple(x0.shape)}")
    channels = x0.shape[1]
    kernel = gaussian_kernel(blur_sigma, x0.device).expand(channels, 1, -1, -1)
    padded = F.pad(x0.float(), [BLUR_REACH] * 4, mode="reflect")
    return F.conv2d(padded, kernel, groups=channels).to(x0.dtype)


def degrade(x0: torch.Tensor, mask: torch.Tensor, blur_sigma: float) -> torch.Tensor:
    """x0 [B, C, h, w], blurred where mask [B, 1, h, w] is true: x_0 tilde of the paper."""
    return torch.where(mask, blur(x0, blur_sigma), x0)


def only_finite(guidance: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Guidance [B, C, h, w] without that of samples which hold a NaN or an infinity; and which hold none, boolean [B].

    Of those samples nothing is left: a part of a picture steered would be a seam.
    """
    # One number for each, on the device, so that nobody waits: it is finite where all are, and NaN is not below inf.
    wide = torch.promote_types(guidance.dtype, torch.float32)  # the squares of halves would overflow
    size = torch.linalg.vector_norm(guidance, dim=tuple(range(1, guidance.ndim)), keepdim=True, dtype=wide)
    finite = size < math.inf
    return torch.where(finite, guidance, 0), finite.flatten()


def enlarge(attention: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Attention [B, 1, rows, columns] at the latent's height and width, each token a block of equal values."""
    return F.interpolate(attention, size=(height, width), mode="nearest")


class AttentionBlend:
    """Whole-frame attention of a negative prompt that is made of several, each with a place and a weight.

    The host blends predictions as sum(weight * prediction) / sum(weight); this blends their attention the same way,
    so that a prompt counts in the mask where, and as strongly as, it counts in the prediction.
    """

    def __init__(self, like: torch.Tensor, threshold: float) -> None:
        """`like` is the latent [B, C, h, w], `threshold` what attention must exceed."""
        self.threshold = threshold
        # sum(weight * attention) / sum(weight) > threshold, without the division and with one sum instead of two
        self.excess = torch.zeros_like(like[:, :1], dtype=torch.float32)

    def add(self, attention: torch.Tensor, weight: torch.Tensor, top: int, left: int) -> None:
        """Add attention [B, 1, rows, columns] with weight [B, 1, height, width], its corner at (top, left)."""
        height, width = weight.shape[-2:]
        excess = enlarge(attention.to(self.excess) - self.threshold, height, width)
        self.excess[..., top : top + height, left : left + width].addcmul_(excess, weight.to(excess))

    def mask(self) -> torch.Tensor:
        """Where the blended attention exceeds the threshold: boolean [B, 1, h, w]; false where nothing was added."""
        return self.excess > 0


# The share of the scale that is left, by t: 0 at the window's start, 1 at its end.
FADES: dict[str, Callable[[float], float]] = {
    "none": lambda t: 1.0,
    "in": lambda t: t,
    "out": lambda t: 1.0 - t,
    "in and out": lambda t: 1.0 - abs(2.0 * t - 1.0),
}


def fade_weight(fade: str, sigma: float, window: SigmaWindow, largest: float, smallest: float) -> float:
    """The share of the scale at `sigma`, 0 to 1, in a run whose sigmas go from `largest` to `smallest` > 0.

    t = (ln high - ln sigma) / (ln high - ln low) goes from 0 to 1 over the part of the window that the run crosses.
    Where that part has no length there is nothing to fade, and the weight is 1.
    """
    high = largest if window.start >= UNBOUNDED_SIGMA else min(largest, window.start)
    low = max(smallest, window.end)
    if high <= low:
        return 1.0
    t = (math.log(high) - math.log(sigma)) / (math.log(high) - math.log(low))
    return FADES[fade](min(1.0, max(0.0, t)))


def rescaled(guidance: torch.Tensor, base: torch.Tensor, cond: torch.Tensor, amount: float) -> torch.Tensor:
    """Guidance whose sum with `base` is drawn towards the contrast of `cond`, all [B, C, h, w], against frying.

    Per sample, guidance * (amount * std(cond) / std(base + guidance) + 1 - amount); where a std is 0 nothing changes.
    After Lin et al., "Common Diffusion Noise Schedules and Sample Steps Are Flawed", arXiv 2305.08891, algorithm 2.
    """
    wanted, found = (t.float().flatten(1).std(dim=1) for t in (cond, base + guidance))
    ratio = torch.where((wanted > 0) & (found > 0), wanted / found, 1.0)
    factor = amount * ratio + 1 - amount
    return guidance * factor.to(guidance).view(-1, *[1] * (guidance.ndim - 1))
