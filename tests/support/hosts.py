"""What the host under test has. Older ones lack some of it; their tests are counted as skipped."""

import importlib.util
from pathlib import Path

import pytest

TELLS_PROMPTS_APART = importlib.util.find_spec("comfy.patcher_extension") is not None
since_0_3_7 = pytest.mark.skipif(not TELLS_PROMPTS_APART, reason="needs ComfyUI 0.3.7: uuids, wrappers, copied options")
before_0_3_7 = pytest.mark.skipif(TELLS_PROMPTS_APART, reason="is about ComfyUI before 0.3.7")


def source_of(module: str) -> str:
    return Path(importlib.util.find_spec(module).origin).read_text()


SAYS_TOKEN_GRID = "activations_shape" in source_of("comfy.ldm.modules.attention")
since_0_3_28 = pytest.mark.skipif(not SAYS_TOKEN_GRID, reason="needs ComfyUI 0.3.28: activations_shape")

KNOWS_FLOW = "FLOW = " in source_of("comfy.model_base")
knows_flow = pytest.mark.skipif(not KNOWS_FLOW, reason="needs a ComfyUI after May 2024: flow matching")
UNET = "comfy.ldm.modules.diffusionmodules.openaimodel"
knows_attn_precision = pytest.mark.skipif(
    "attn_precision" not in source_of(UNET), reason="needs a ComfyUI after May 2024: attn_precision"
)
