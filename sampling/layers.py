"""Which self-attention of a UNet to read, by the names that users know from the Perturbed-Attention Guidance pack.

`d2.3` is transformer 3 of the third input block that has self-attention, `m0` the middle block's first transformer,
`u0.4` transformer 4 of the first output block that has any. Every name means one layer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

import torch

from .settings import ADVANCED

if TYPE_CHECKING:
    from comfy.model_patcher import ModelPatcher

MIDDLE, AUTO = "middle", "auto"
MIDDLE_LAYER = "m0.0"
PROJECTIONS = ("to_q", "to_k", "to_v", "to_out")  # what a self-attention needs to be read
STAGES = {"d": ("input", "input_blocks"), "m": ("middle", "middle_block"), "u": ("output", "output_blocks")}


class Layer(NamedTuple):
    """One self-attention, as the host's `patches_replace` addresses it."""

    name: str
    block: tuple[str, int]  # "input", "middle" or "output", and its number there
    transformer: int


def layer_name_error(wanted: object) -> str | None:
    """What is wrong with `wanted` as the name of a layer, whatever the model; None if nothing is."""
    name = wanted.strip() if isinstance(wanted, str) else ""
    if name in (MIDDLE, AUTO) or re.fullmatch(r"[dmu]\d+(\.\d+)?", name):
        return None
    if re.search(r"[,;\-\s]", name):
        return f"must name one layer, lists and ranges are not read, got {wanted!r:.80}"
    return f"must be {MIDDLE}, {AUTO} or a layer such as d2.3, m0 or u0.4, got {wanted!r:.80}"


def layers_of(model: ModelPatcher) -> dict[str, Layer]:
    """All self-attentions of the model's UNet by name, in the order in which they run; empty if it is no UNet."""
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


def self_attentions(block: torch.nn.Module | None) -> list[int]:
    """Numbers of those transformers in a block of the UNet whose first attention is a self-attention.

    In the others it attends to the prompt, and the host marks them with disable_self_attn.
    """
    return [n for n, each in enumerate(transformers_of(block)) if not getattr(each, "disable_self_attn", False)]


def transformers_of(block: torch.nn.Module | None) -> list[torch.nn.Module]:
    """The transformers in a block of the UNet, in the order of their numbers.

    They are looked for level by level, which takes 3 microseconds: it is done in each call of the UNet.
    """
    level = [block] if block else []
    while level:
        for module in level:
            if found := module._modules.get("transformer_blocks"):
                return list(found.children())
        level = [child for module in level for child in module.children()]
    return []


def transformers_beside(unet: torch.nn.Module, layer: Layer) -> list[torch.nn.Module]:
    """All transformers of the layer's block, its own among them; none if this UNet has no such block."""
    stage, number = layer.block
    blocks = getattr(unet, dict(STAGES.values())[stage], None)
    if stage != "middle":
        blocks = blocks[number] if blocks and number < len(blocks) else None
    return transformers_of(blocks)


def attention_places(unet: torch.nn.Module, layer: Layer) -> list[str]:
    """Where the self-attentions of the layer's block are, such as middle_block.1.transformer_blocks.0.attn1."""
    beside = transformers_beside(unet, layer)
    names = {id(module): name for name, module in unet.named_modules()}
    return [f"{names[id(transformer)]}.attn1".replace("_orig_mod.", "") for transformer in beside]


def find_layer(model: ModelPatcher, wanted: str) -> Layer:
    """The layer that `wanted` names: `middle`, `auto`, or one by name.

    ValueError if the model has no such layer: it lists those that it has or, if there are none, says why.
    """
    layers = layers_of(model)
    name = wanted if "." in wanted else f"{wanted}.0"
    if wanted == MIDDLE or (wanted == AUTO and MIDDLE_LAYER in layers):
        name = MIDDLE_LAYER
    elif wanted == AUTO:
        name = next((n for n in reversed(layers) if re.fullmatch(r"d\d+\.0", n)), "")
    if name in layers:
        if stranger := without_projections(model, layers[name]):
            unit = type(stranger).__name__
            raise ValueError(
                f"another node put {unit} in the place of the self-attention at layer={wanted}, which cannot be read. "
                f"{other_layer(model, layers)}"
            )
        return layers[name]
    if not layers:
        raise ValueError(no_layers_error(model))
    raise ValueError(
        f"{kind_of(model)} has no self-attention at layer={wanted}; it has {join_names(layers)}. "
        f"In {ADVANCED}, layer auto reads another layer of this model."
    )


def other_layer(model: ModelPatcher, layers: dict[str, Layer]) -> str:
    """A sentence that names a layer which can be read."""
    other = next((name for name, layer in layers.items() if not without_projections(model, layer)), None)
    return f"In {ADVANCED}, layer {other} can be read." if other else "No other layer of this model can be read."


def without_projections(model: ModelPatcher, layer: Layer) -> torch.nn.Module | None:
    """The first self-attention in the layer's block that lacks projections; None if all have them.

    The MODEL is asked for its own: the UNet, which all clones share, may hold another one's patches just now.
    """
    for place in attention_places(model.get_model_object("diffusion_model"), layer):
        attention: torch.nn.Module = model.get_model_object(f"diffusion_model.{place}")
        if not all(hasattr(attention, projection) for projection in PROJECTIONS):
            return attention
    return None


def kind_of(model: ModelPatcher) -> str:
    """What the host takes the model for, such as SDXL or Flux."""
    return type(model.model.model_config).__name__


def no_layers_error(model: ModelPatcher) -> str:
    """Why a model shows no self-attention of a UNet, and what helps."""
    kind, found = kind_of(model), model.get_model_object("diffusion_model")
    if is_unet(found):
        return f"{kind} has no self-attention in its UNet. Use SD1.x, SD2.x or SDXL."
    kinds = type(model.model.model_config).unet_config  # only the host's UNets are configured with model_channels
    if "model_channels" in kinds or any(map(is_unet, found.modules() if hasattr(found, "modules") else ())):
        return (
            f"the UNet of {kind} is hidden in a {type(found).__name__}, and so its attention cannot be read. "
            "Load the model without it."
        )
    return (
        f"{kind} has no UNet but a {type(found).__name__}, and this node reads a UNet's attention: use SD1.x, SD2.x or "
        "SDXL. On small diffusion transformers SAG was tried, and gained too little: by one of two measures no more "
        "than half as many steps again. SkipLayerGuidanceDiT does something similar there."
    )


def is_unet(module: torch.nn.Module) -> bool:
    return hasattr(module, "input_blocks")


def join_names(names: Iterable[str]) -> str:
    """Names of layers in one line, with those of one block as a range: `d0.0, d1.0 to d1.9, m0.0`."""
    blocks = [list(group) for _, group in groupby(names, key=lambda name: name.split(".")[0])]
    return ", ".join(block[0] if len(block) == 1 else f"{block[0]} to {block[-1]}" for block in blocks)
