"""SAG delayed activation: self-attention guidance inside a window of noise levels, for ComfyUI."""

from .nodes import SelfAttentionGuidanceCustom
from .nodes_window import SAGSigmaWindow

NODE_CLASS_MAPPINGS = {
    "SAG delayed activation": SelfAttentionGuidanceCustom,
    "SAG sigma window": SAGSigmaWindow,
}
NODE_DISPLAY_NAME_MAPPINGS = {
    "SAG delayed activation": "SAG delayed activation",
    "SAG sigma window": "SAG sigma window",
}

__all__ = ["NODE_CLASS_MAPPINGS", "NODE_DISPLAY_NAME_MAPPINGS"]
