"""Which self-attention of a UNet to read, by the names that users know from the Perturbed-Attention Guidance pack.

`d2.3` is transformer 3 of the third input block that has self-attention, `m0` the middle block's first transformer,
`u0.4` transformer 4 of the first output block that has any. Every name means one layer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import groupby
from typing import Any, NamedTuple

MIDDLE, AUTO = "middle", "auto"
MIDDLE_LAYER = "m0.0"
STAGES = {"d": ("input", "input_blocks"), "m": ("middle", "middle_block"), "u": ("output", "output_blocks")}


class Layer(NamedTuple):
    """One self-attention, as the host's `patches_replace` addresses it."""

    name: str
    block: tuple[str, int]  # "input", "middle" or "output", and its number there
    transformer: int


def layer_name_error(wanted: str) -> str | None:
    """What is wrong with `wanted` as the name of a layer, whatever the model; None where nothing is."""
    if wanted in (MIDDLE, AUTO) or re.fullmatch(r"[dmu]\d+(\.\d+)?", wanted):
        return None
    if re.search(r"[,;\-\s]", wanted.strip()):
        return f"must name one layer, lists and ranges are not read, got {wanted}"
    return f"must be {MIDDLE}, {AUTO} or a layer such as d2.3, m0 or u0.4, got {wanted}"


def layers_of(model: Any) -> dict[str, Layer]:
    """All self-attentions of the ModelPatcher's UNet by name, in the order they run; empty where it is no UNet."""
    unet = model.get_model_object("diffusion_model")
    found = {}
    for letter, (stage, attribute) in STAGES.items():
        blocks = getattr(unet, attribute, None) or []
        if letter == "m":
            blocks = [blocks]  # the middle block is one
        with_attention = [(number, kept) for number, block in enumerate(blocks) if (kept := self_attentions(block))]
        for count, (number, transformers) in enumerate(with_attention):
            for transformer in transformers:
                name = f"{letter}{count}.{transformer}"
                found[name] = Layer(name, (stage, number), transformer)
    return found


def self_attentions(block: Any) -> list[int]:
    """Numbers of the transformers in a block of the UNet whose first attention looks at the picture itself."""
    if not block:
        return []
    stacks = (m.transformer_blocks for m in block.modules() if len(getattr(m, "transformer_blocks", ())))
    transformers: Iterable[Any] = next(stacks, [])
    return [n for n, t in enumerate(transformers) if not getattr(t, "disable_self_attn", False)]


def find_layer(model: Any, wanted: str) -> Layer:
    """The layer that `wanted` names: `middle`, `auto`, or one by name. ValueError lists the model's own."""
    layers = layers_of(model)
    name = wanted if "." in wanted else f"{wanted}.0"
    if wanted == MIDDLE or (wanted == AUTO and MIDDLE_LAYER in layers):
        name = MIDDLE_LAYER
    elif wanted == AUTO:
        name = next((n for n in reversed(layers) if re.fullmatch(r"d\d+\.0", n)), "")
    if name in layers:
        return layers[name]
    kind = type(model.model.model_config).__name__
    if not layers:
        raise ValueError(f"{kind} has no self-attention in a UNet")
    raise ValueError(f"{kind} has no self-attention at layer={wanted}; it has {join_names(layers)}")


def join_names(names: Iterable[str]) -> str:
    """Names of layers, those of one block drawn together: `d0.0, d1.0 to d1.9, m0.0`."""
    blocks = [list(group) for _, group in groupby(names, key=lambda name: name.split(".")[0])]
    return ", ".join(block[0] if len(block) == 1 else f"{block[0]} to {block[-1]}" for block in blocks)
