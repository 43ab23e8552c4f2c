"""`floor`: the attention map alone, and how far it is from the least time that the card would need for it.

The least: every product of Q K^T once at the rate of a large float16 product, or every byte of q and k once at the
rate of a large copy, whichever takes longer. The scores are never counted as bytes, since they need not be stored.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from lab.benchmarks.records import Records
from lab.benchmarks.timing import cuda, median_seconds, synchronize
from lab.loading import PACK

FAMILIES = {"sdxl": (20, 64), "sd15": (8, 160)}  # heads and dim of the middle block's self-attention
CHECKED_UP_TO = 4096  # tokens; the reference holds all scores of one head in float64
ROTATED = 128 * 2**20  # bytes of inputs in turn: more than any card's cache


@dataclass(frozen=True)
class Cost:
    """What the map costs at least, for one sample."""

    flops: int
    bytes: int
    exps: int

    @classmethod
    def of(cls, tokens: int, heads: int, dim: int) -> Cost:
        q_and_k, result = 2 * tokens * heads * dim * 2, 4 * tokens
        return cls(flops=2 * tokens**2 * heads * dim, bytes=q_and_k + result, exps=tokens**2 * heads)

    def floor(self, bandwidth: float, rate: float) -> float:
        """Seconds, at bytes/s and FLOP/s."""
        return max(self.bytes / bandwidth, self.flops / rate)


def ceilings() -> dict[str, float]:
    """The card's rates, measured: bytes/s of a copy, FLOP/s of products in float16 and float32."""
    device, size, side = ("cuda", 2**30, 8192) if cuda() else ("cpu", 2**25, 512)
    buffers = [torch.randint(255, (size,), dtype=torch.uint8, device=device) for _ in range(3)]
    copies = list(zip(buffers, buffers[1:] + buffers[:1], strict=True))
    found = {"copy_bytes_per_s": 2 * size / median_seconds(lambda a, b: b.copy_(a), copies)}
    for dtype in (torch.float16, torch.float32):
        factors = [tuple(torch.randn(2, side, side, device=device).to(dtype)) for _ in range(2)]
        name = f"{str(dtype).removeprefix('torch.')}_flops"
        found[name] = 2 * side**3 / median_seconds(torch.mm, factors)
    if cuda():
        card = torch.cuda.get_device_properties(0)
        found["multiprocessors"] = card.multi_processor_count
    return found


def inputs(tokens: int, heads: int, dim: int, seed: int) -> tuple[torch.Tensor, torch.Tensor, int]:
    """Random q, k [1, tokens, heads * dim] in float16, and heads."""
    device = "cuda" if cuda() else "cpu"
    dice = torch.Generator(device=device).manual_seed(seed)
    q, k = (torch.randn(1, tokens, heads * dim, generator=dice, device=device).half() for _ in range(2))
    return q, k, heads


def reference(q: torch.Tensor, k: torch.Tensor, heads: int) -> torch.Tensor:
    """The same map in float64, head by head."""
    qs, ks = (t[0].double().unflatten(1, (heads, -1)).transpose(0, 1) for t in (q, k))
    maps = [(a @ b.T / a.shape[1] ** 0.5).softmax(-1).sum(0) for a, b in zip(qs, ks, strict=True)]
    return torch.stack(maps).mean(0)[None]


def floor(sizes: list[int], out: Path) -> None:
    from sag_delayed_activation.sag_core import attention_received

    with Records(out) as records:
        limits = ceilings()
        records.add("ceilings", **limits)
        print("  ".join(f"{name} {value:.3g}" for name, value in limits.items()))
        for family, (heads, dim) in FAMILIES.items():
            for tokens in sizes:
                cost = Cost.of(tokens, heads, dim)
                sets = [inputs(tokens, heads, dim, n) for n in range(min(32, max(2, ROTATED // cost.bytes)))]
                error = None
                if tokens <= CHECKED_UP_TO:
                    wanted = reference(*sets[0])
                    error = ((attention_received(*sets[0]) - wanted).norm() / wanted.norm()).item()
                seconds = median_seconds(attention_received, sets)
                records.add(
                    "floor", family=family, tokens=tokens, heads=heads, dim=dim, seconds=seconds, error=error,
                    floor=cost.floor(limits["copy_bytes_per_s"], limits["float16_flops"]),
                    floor_float32=cost.floor(limits["copy_bytes_per_s"], limits["float32_flops"]),
                    module=PACK, **asdict(cost),
                )  # fmt: skip
                least = cost.floor(limits["copy_bytes_per_s"], limits["float16_flops"])
                print(f"{family} {tokens:6} tokens {1e3 * seconds:9.3f} ms, floor {1e3 * least:8.3f} ms, "
                      f"{seconds / least:6.1f} times, error {error}", flush=True)  # fmt: skip
                del sets
        synchronize()
