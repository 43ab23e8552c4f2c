"""SAG delayed activation: self-attention guidance inside a window of noise levels, for ComfyUI."""

from .nodes import SelfAttentionGuidanceCustom

NODE_CLASS_MAPPINGS = {"SAG delayed activation": SelfAttentionGuidanceCustom}
NODE_DISPLAY_NAME_MAPPINGS = {"SAG delayed activation": "SAG delayed activation"}

__all__ = ["NODE_CLASS_MAPPINGS", "NODE_DISPLAY_NAME_MAPPINGS"]
