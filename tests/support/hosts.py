"""What the host under test has. Older ones lack some of it; their tests are counted as skipped."""

import importlib.util
from pathlib import Path

import pytest

TELLS_PROMPTS_APART = importlib.util.find_spec("comfy.patcher_extension") is not None
since_0_3_7 = pytest.mark.skipif(not TELLS_PROMPTS_APART, reason="needs ComfyUI 0.3.7: uuids, wrappers, copied options")
before_0_3_7 = pytest.mark.skipif(TELLS_PROMPTS_APART, reason="is about ComfyUI before 0.3.7")

ATTENTION = Path(importlib.util.find_spec("comfy.ldm.modules.attention").origin)
SAYS_TOKEN_GRID = "activations_shape" in ATTENTION.read_text()
since_0_3_28 = pytest.mark.skipif(not SAYS_TOKEN_GRID, reason="needs ComfyUI 0.3.28: activations_shape")
