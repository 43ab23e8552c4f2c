"""What the host under test has that older ones lack; their tests are skipped there.

What stands behind the colon of a reason is what `python dev.py matrix` says is missing.
"""

import importlib.util
from pathlib import Path

import pytest


def source_of(module: str) -> str:
    """The module's source; empty where the host has none."""
    found = importlib.util.find_spec(module)
    return Path(found.origin).read_text() if found else ""


def only(where: bool, reason: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(not where, reason=reason)


CUSTOM = source_of("comfy_extras.nodes_custom_sampler")
has_attention_override = only(
    "optimized_attention_override" in source_of("comfy.ldm.modules.attention"),
    "needs ComfyUI 0.3.60: attention overrides",
)
has_todays_nodes = only(
    "io.ComfyNode" in source_of("comfy_extras.nodes_sag"), "needs ComfyUI 0.3.61: today's TorchCompileModel"
)
has_dual_model = only("class Guider_DualModel" in CUSTOM, "needs ComfyUI 0.24: a guider on two models")
changes_cfg = only("class CFGOverride" in CUSTOM, "needs ComfyUI of summer 2026: CFG Override")
