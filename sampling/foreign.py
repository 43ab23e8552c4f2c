"""Attention that is not the host's own, and how the recorders keep out of its way.

For a layer with an attn1 replace, the host calls the layer's projections and the replace, and never the layer's own
`forward`. So where another pack gave the layer a forward, a recorder would switch that off, outside the window, too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from .host_types import TransformerOptions
from .layers import Layer, transformers_beside
from .recorder import AttentionRecorder


def make_way(options: TransformerOptions, layer: Layer, unet: torch.nn.Module) -> str:
    """Leave the recorders out of `options`, those of one UNet call, if they would keep a foreign forward from running.

    Returns what that forward is, or "" if there is none. `unet` is the live one: what packs patch into it comes and
    goes with the runs. If another replace stood on the block before the recorders, or was put over them, it stays.
    """
    replaces: dict[str, Any] = options["patches_replace"]
    attn1 = replaces.get("attn1", {})
    patch = attn1.get(layer.block)
    if patch is not None and not (isinstance(patch, AttentionRecorder) and patch.stands_for_the_host):
        return ""
    foreign = foreign_forward(transformers_beside(unet, layer))
    if foreign:
        others = {address: other for address, other in attn1.items() if address != layer.block}
        options["patches_replace"] = {**replaces, "attn1": others}
    return foreign


def foreign_forward(transformers: list[torch.nn.Module]) -> str:
    """The name of the first forward or hook of their self-attentions that is not the host's; "" if there is none."""
    from comfy.ldm.modules import attention as host

    hosts_own = vars(host)
    for transformer in transformers:
        attention: Any = transformer.attn1
        state = vars(attention)
        if "_orig_mod" in state["_modules"]:  # torch.compile stands before it
            attention = state["_modules"]["_orig_mod"]
            state = vars(attention)
        if hooks := state["_forward_pre_hooks"] or state["_forward_hooks"]:
            return name_of(next(iter(hooks.values())))
        # A forward on the instance may be the host's, bound to it, where an object patch was taken away again.
        forward = state.get("forward")
        if forward is not None and getattr(forward, "__self__", None) is not attention:
            return name_of(forward)
        function = type(attention).forward if forward is None else getattr(forward, "__func__", None)
        if getattr(function, "__globals__", None) is not hosts_own:
            return name_of(type(attention))
    return ""


def name_of(code: Callable[..., Any]) -> str:
    """Module and name of a class or function, for a reader to recognise the pack that it is from."""
    named = code if hasattr(code, "__qualname__") else type(code)
    return f"{named.__module__}.{named.__qualname__}"
