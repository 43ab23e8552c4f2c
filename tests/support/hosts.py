"""What the host under test has. Older ones lack some of it, and its tests are skipped there.

What stands behind the colon of a reason is what `python dev.py matrix` says is missing.
"""

import importlib.util
from pathlib import Path

import pytest


def source_of(module: str) -> str:
    """The module's source; empty where the host has none."""
    try:
        found = importlib.util.find_spec(module)
    except ModuleNotFoundError:  # of the package it would be in
        return ""
    return Path(found.origin).read_text() if found else ""


def only(where: bool, reason: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(not where, reason=reason)


TELLS_PROMPTS_APART = importlib.util.find_spec("comfy.patcher_extension") is not None
since_0_3_7 = only(
    TELLS_PROMPTS_APART,
    "needs ComfyUI 0.3.7: prompts told apart, wrappers, options copied for a run, a run's schedule and latents",
)
before_0_3_7 = only(not TELLS_PROMPTS_APART, "needs ComfyUI before 0.3.7")

SAYS_TOKEN_GRID = "activations_shape" in source_of("comfy.ldm.modules.attention")
since_0_3_28 = only(SAYS_TOKEN_GRID, "needs ComfyUI 0.3.28: the token grid")

KNOWS_FLOW = "FLOW = " in source_of("comfy.model_base")
knows_flow = only(KNOWS_FLOW, "needs ComfyUI of summer 2024: flow matching")
UNET = "comfy.ldm.modules.diffusionmodules.openaimodel"
KNOWS_PRECISION = "attn_precision" in source_of(UNET)
knows_attn_precision = only(KNOWS_PRECISION, "needs ComfyUI of summer 2024: attention precision")

FADES_SMALL_AREAS = "rr = min(" in source_of("comfy.samplers")  # older ones fail at areas less than 8 wide or high
HAS_PRE_CFG = "sampler_pre_cfg_function" in source_of("comfy.samplers")
has_pre_cfg = only(HAS_PRE_CFG, "needs ComfyUI 0.0.1: pre-CFG functions")
has_calc_cond_batch_function = only(
    "sampler_calc_cond_batch_function" in source_of("comfy.samplers"),
    "needs ComfyUI 0.3.44: a function in place of the prompts' evaluation",
)
has_attention_override = only(
    "optimized_attention_override" in source_of("comfy.ldm.modules.attention"),
    "needs ComfyUI 0.3.60: attention overrides",
)
perpneg_guides = only(
    "sampler_post_cfg_function" in source_of("comfy_extras.nodes_perpneg"),
    "needs ComfyUI of summer 2024: post-CFG functions under PerpNeg",
)
has_nested_dual_cfg = only(
    "nested" in source_of("comfy_extras.nodes_custom_sampler"), "needs ComfyUI 0.3.45: nested dual CFG"
)
has_context_windows = only(bool(source_of("comfy.context_windows")), "needs ComfyUI 0.3.51: context windows")
has_caches = only(bool(source_of("comfy_extras.nodes_easycache")), "needs ComfyUI 0.3.52: EasyCache and LazyCache")
has_todays_nodes = only(
    "io.ComfyNode" in source_of("comfy_extras.nodes_sag"), "needs ComfyUI 0.3.61: today's TorchCompileModel"
)
CUSTOM = "comfy_extras.nodes_custom_sampler"
has_dual_model = only("class Guider_DualModel" in source_of(CUSTOM), "needs ComfyUI 0.24: a guider on two models")
changes_cfg = only("class CFGOverride" in source_of(CUSTOM), "needs ComfyUI of summer 2026: CFG Override")
says_which_node_it_executes = only(
    "get_executing_context" in source_of("comfy_execution.utils"),
    "needs ComfyUI of summer 2025: the node that is being executed",
)
