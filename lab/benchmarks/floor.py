"""`floor`: the attention map alone, and how far it is from the least time that the card would need for it.

The least: every product of Q K^T once at the rate of a large float16 product, or every byte of q and k once at the
rate of a large copy, whichever takes longer. The scores are never counted as bytes, since they need not be stored.
"""

from __future__ import annotations

import torch

from lab.benchmarks.timing import cuda, median_seconds
from lab.records import Records

MIDDLE_BLOCKS = {"sdxl": (20, 64), "sd15": (8, 160)}  # heads and dim of the first self-attention
TOKENS = (1024, 4096, 16384, 65536)
CHECKED_UP_TO = 4096  # tokens; the reference holds all scores of one head in float64
ROTATED = 128 * 2**20  # bytes of inputs in turn: more than any card's cache


def floor(records: Records) -> None:
    rates = ceilings()
    records.add(kind="ceilings", **rates)
    for family, (heads, dim) in MIDDLE_BLOCKS.items():
        for count in TOKENS if cuda() else TOKENS[:1]:
            found = compare(count, heads, dim, rates)
            records.add(kind="floor", family=family, tokens=count, heads=heads, dim=dim, **found)


def ceilings() -> dict[str, float]:
    """The card's rates, measured: bytes/s of a copy, FLOP/s of products in float16 and float32."""
    device, size, side = ("cuda", 2**30, 8192) if cuda() else ("cpu", 2**25, 512)
    buffers = [torch.randint(255, (size,), dtype=torch.uint8, device=device) for _ in range(3)]
    copies = list(zip(buffers, buffers[1:] + buffers[:1], strict=True))
    found = {"copy_bytes_per_s": 2 * size / median_seconds(lambda a, b: b.copy_(a), copies)}
    for name, dtype in (("float16", torch.float16), ("float32", torch.float32)):
        factors = [tuple(torch.randn(2, side, side, device=device).to(dtype)) for _ in range(2)]
        found[f"{name}_flops"] = 2 * side**3 / median_seconds(torch.mm, factors)
    return found


def compare(tokens: int, heads: int, dim: int, rates: dict[str, float]) -> dict[str, float | None]:
    """What the map of one sample costs, what it costs at least, and its error."""
    from sag_delayed_activation.sag_core import attention_received

    flops, size = 2 * tokens**2 * heads * dim, 2 * tokens * heads * dim * 2 + 4 * tokens
    reading = size / rates["copy_bytes_per_s"]
    device, count = "cuda" if cuda() else "cpu", min(32, max(2, ROTATED // size))
    inputs = [(*torch.randn(2, 1, tokens, heads * dim, device=device).half(), heads) for _ in range(count)]
    error = None
    if tokens <= CHECKED_UP_TO:
        wanted = reference(*inputs[0])
        error = ((attention_received(*inputs[0]) - wanted).norm() / wanted.norm()).item()
    return {
        "flops": flops, "bytes": size, "exps": tokens**2 * heads, "error": error,
        "seconds": median_seconds(attention_received, inputs),
        "floor": max(reading, flops / rates["float16_flops"]),
        "floor_float32": max(reading, flops / rates["float32_flops"]),
    }  # fmt: skip


def reference(q: torch.Tensor, k: torch.Tensor, heads: int) -> torch.Tensor:
    """The same map in float64, head by head."""
    qs, ks = (t[0].double().unflatten(1, (heads, -1)).transpose(0, 1) for t in (q, k))
    maps = [(a @ b.T / a.shape[1] ** 0.5).softmax(-1).sum(0) for a, b in zip(qs, ks, strict=True)]
    return torch.stack(maps).mean(0)[None]
