"""What the host under test has. Older ones lack some of it; their tests are counted as skipped."""

import importlib.util
from pathlib import Path

import pytest

TELLS_PROMPTS_APART = importlib.util.find_spec("comfy.patcher_extension") is not None
since_0_3_7 = pytest.mark.skipif(not TELLS_PROMPTS_APART, reason="needs ComfyUI 0.3.7: uuids, wrappers, copied options")
before_0_3_7 = pytest.mark.skipif(TELLS_PROMPTS_APART, reason="is about ComfyUI before 0.3.7")


def source_of(module: str) -> str:
    return Path(importlib.util.find_spec(module).origin).read_text()


SAYS_SCHEDULE = '"sample_sigmas"' in source_of("comfy.samplers")
since_0_3_11 = pytest.mark.skipif(not SAYS_SCHEDULE, reason="needs ComfyUI 0.3.11: sample_sigmas")
before_0_3_11 = pytest.mark.skipif(SAYS_SCHEDULE, reason="is about ComfyUI before 0.3.11")

SAYS_TOKEN_GRID = "activations_shape" in source_of("comfy.ldm.modules.attention")
since_0_3_28 = pytest.mark.skipif(not SAYS_TOKEN_GRID, reason="needs ComfyUI 0.3.28: activations_shape")

KNOWS_FLOW = "FLOW = " in source_of("comfy.model_base")
knows_flow = pytest.mark.skipif(not KNOWS_FLOW, reason="needs a ComfyUI after May 2024: flow matching")
UNET = "comfy.ldm.modules.diffusionmodules.openaimodel"
knows_attn_precision = pytest.mark.skipif(
    "attn_precision" not in source_of(UNET), reason="needs a ComfyUI after May 2024: attn_precision"
)


def needs(module: str, version: str) -> pytest.MarkDecorator:
    missing = importlib.util.find_spec(module) is None
    return pytest.mark.skipif(missing, reason=f"needs ComfyUI {version}: {module}")


has_context_windows = needs("comfy.context_windows", "0.3.51")
has_caches = needs("comfy_extras.nodes_easycache", "0.3.52")
has_pre_cfg = pytest.mark.skipif(
    "sampler_pre_cfg_function" not in source_of("comfy.samplers"), reason="needs ComfyUI 0.0.1: pre-CFG functions"
)
has_calc_cond_batch_function = pytest.mark.skipif(
    "sampler_calc_cond_batch_function" not in source_of("comfy.samplers"),
    reason="needs ComfyUI 0.3.44: sampler_calc_cond_batch_function",
)
has_nested_dual_cfg = pytest.mark.skipif(
    "nested" not in source_of("comfy_extras.nodes_custom_sampler"), reason="needs ComfyUI 0.3.45: nested dual CFG"
)
