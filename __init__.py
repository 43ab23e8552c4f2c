"""SAG delayed activation: self-attention guidance inside a window of noise levels, for ComfyUI."""

from .nodes import SelfAttentionGuidanceCustom
from .nodes_advanced import SelfAttentionGuidanceAdvanced
from .nodes_preview import SAGMaskPreview
from .nodes_window import SAGSigmaWindow

NODE_CLASS_MAPPINGS = {
    "SAG delayed activation": SelfAttentionGuidanceCustom,
    "SAG delayed activation (advanced)": SelfAttentionGuidanceAdvanced,
    "SAG sigma window": SAGSigmaWindow,
    "SAG mask preview": SAGMaskPreview,
}
NODE_DISPLAY_NAME_MAPPINGS = {
    "SAG delayed activation": "SAG delayed activation",
    "SAG delayed activation (advanced)": "SAG delayed activation (advanced)",
    "SAG sigma window": "SAG sigma window",
    "SAG mask preview": "SAG mask preview",
}
WEB_DIRECTORY = "./web"

__all__ = ["NODE_CLASS_MAPPINGS", "NODE_DISPLAY_NAME_MAPPINGS", "WEB_DIRECTORY"]
