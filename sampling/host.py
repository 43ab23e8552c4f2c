"""Every difference between the versions of ComfyUI that this pack runs on, from 0.3.52 (August 2025) to today.

    0.3.60  attention backends take transformer_options
    0.40    a checkpoint may choose the backend of each attention (comfy_attention)

What a host has is found out by name, never by the number of its version.
"""

from __future__ import annotations

import functools
import importlib.util
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from .host_types import AttentionOptions

OLDEST = "0.3.52"


def too_old_error() -> str | None:
    """A sentence that refuses a host that is too old; None if it is new enough.

    A host that has context windows has all that the hooks need, so their module is looked for.
    """
    if importlib.util.find_spec("comfy.context_windows") is not None:
        return None
    return f"needs ComfyUI {OLDEST} or newer, and this is {version_text()}, without comfy.context_windows; update it"


def version_text() -> str:
    """What the host says of its version."""
    try:
        from comfyui_version import __version__
    except ImportError:
        return "an older one that does not say its version"
    return f"ComfyUI {__version__}"


@dataclass(frozen=True)
class HostAttention:
    """The host's own attention in a block, to be called as an attn1 replace: it computes what the host would have."""

    chosen: tuple[Any, ...]  # for each transformer the backend that the checkpoint asks for, or None; None before 0.40

    @classmethod
    def of(cls, transformers: list[torch.nn.Module]) -> HostAttention:
        """For a block with these transformers: the host tells a replace only the number of the one that calls it."""
        return cls(tuple(getattr(transformer.attn1, "comfy_attention", None) for transformer in transformers))

    def __deepcopy__(self, _: dict[int, Any]) -> HostAttention:
        """Clones of a MODEL share it: a copy would not notice that the checkpoint's weights were loaded anew."""
        return self

    def __call__(
        self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, attention_options: AttentionOptions
    ) -> torch.Tensor:
        """The attention's output for q, k and v, [prompts * B, tokens, heads * dim]: the host's own, of q's shape."""
        from comfy.ldm.modules import attention as host

        backend = host.optimized_attention  # looked up when called: packs may swap it
        known = known_arguments(backend)
        offered = {"attn_precision": attention_options.get("attn_precision"), "transformer_options": attention_options}
        passed = {name: offered[name] for name in offered if name in known}
        index = attention_options.get("block_index", 0)
        # A guider on two models lends this model's patches to the other one, whose block may have more transformers.
        chosen = self.chosen[index] if index < len(self.chosen) else None
        if chosen is not None:
            passed["preferred_attention"] = chosen
        return backend(q, k, v, attention_options["n_heads"], **passed)


def known_arguments(backend: Callable[..., torch.Tensor]) -> tuple[str, ...]:
    """The names of the arguments that this attention backend takes, as `read_signature` finds them."""
    return read_signature(backend)


torch.compiler.assume_constant_result(known_arguments)  # torch.compile keeps the answer, and does not trace the call


@functools.cache
def read_signature(backend: Callable[..., torch.Tensor]) -> tuple[str, ...]:
    """The names of a backend's arguments; if it takes any (**kwargs), those that the host came to pass over time."""
    parameters = inspect.signature(backend).parameters
    if any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values()):
        return "attn_precision", "transformer_options"
    return tuple(parameters)
