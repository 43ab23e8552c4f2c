"""The same guidance with everything that can be set about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .nodes import LINKED, SelfAttentionGuidanceCustom, float_input, values_error, with_guidance
from .sag_core import FADES, SigmaWindow
from .sampling.layers import MIDDLE, layer_name_error
from .sampling.prompt_graph import Typed
from .sampling.settings import ADVANCED, AUTO, BRANCHES, FULL, NAME, RESCALE_MODES, Settings

if TYPE_CHECKING:
    from comfy.model_patcher import ModelPatcher

ADVANCED_RANGES = {"threshold": (0.0, 4.0), "rescale": (0.0, 1.0), "every": (1, 8), "detail": (0.0, 1.0)}
# The page puts these under "Show advanced inputs", if it has that.
FOLDED = ["threshold", "branch", "layer", "rescale", "rescale_mode", "every"]
CHOICES = {"branch": BRANCHES, "fade": list(FADES), "rescale_mode": RESCALE_MODES}


def layer_error(layer: Any) -> str | None:
    """A sentence that says what is wrong with the name `layer`, whatever the model; None if nothing is."""
    wrong = layer_name_error(layer)
    return wrong and f"{NAME}: layer {wrong}"


class SelfAttentionGuidanceAdvanced:
    """Self-attention guidance inside a window of sigma, with every setting."""

    CATEGORY = "model_patches"
    FUNCTION = "patch"
    RETURN_TYPES = ("MODEL",)
    OUTPUT_TOOLTIPS = SelfAttentionGuidanceCustom.OUTPUT_TOOLTIPS
    DESCRIPTION = (
        "SAG delayed activation with everything that can be set: the threshold of the mask, which prompt and which "
        "layer is read, a fade over the window, a brake against over-saturation, and guidance on every n-th step only. "
        "Left as it is, it does what the basic node does, and acts at cfg 1 too."
    )
    SEARCH_ALIASES = [*SelfAttentionGuidanceCustom.SEARCH_ALIASES, "SAG rescale", "SAG fade", "SAG threshold"]

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        inputs = {
            **SelfAttentionGuidanceCustom.INPUT_TYPES(),
            "optional": {
                "threshold": float_input("threshold", 1.0, (
                    "How much attention puts a region into the mask; 1.0 is the average. Above 1 blurs less of the "
                    "picture, 0 all of it."
                ), ADVANCED_RANGES),
                "branch": (BRANCHES, {"default": AUTO, "tooltip": (
                    "Whose attention and prediction are taken. auto: the negative prompt, or the positive where no "
                    "negative was evaluated, as at cfg 1. negative does not act there."
                )}),
                "layer": ("STRING", {"default": MIDDLE, "tooltip": (
                    "Which self-attention is read. middle, auto (middle, else the last input block that has any: "
                    "SSD-1B, Vega, KOALA), or one by name such as d2.3, m0 or u0.4: input, middle or output block and "
                    "transformer, counted from 0."
                )}),
                "fade": (list(FADES), {"default": "none", "tooltip": (
                    "How scale changes over the window, along the logarithm of sigma. in: from 0 up to scale. out: "
                    "from scale down to 0. in and out: full in the middle. Steps at 0 cost nothing."
                )}),
                "rescale": float_input("rescale", 0.0, (
                    "Against over-saturation: how far the contrast is drawn back to that of the positive's "
                    "prediction. 0 is off, 1 all the way."
                ), ADVANCED_RANGES),
                "rescale_mode": (RESCALE_MODES, {"default": FULL, "tooltip": (
                    "What rescale measures guidance on. full: the result with CFG. partial: the positive's prediction "
                    "alone."
                )}),
                "every": ("INT", {"default": 1, "min": 1, "max": 8, "tooltip": (
                    "Compute guidance on every n-th active step and reuse it between. 2 halves the extra cost. What "
                    "it does to the picture stands in the help."
                )}),
                "detail": float_input("detail", 0.0, (
                    "How much of the detail that the blur took guidance gives back. 0: the paper's SAG, which smooths. "
                    "Above 0 it brings out detail in the attended places."
                ), ADVANCED_RANGES),
            },
        }  # fmt: skip
        for name in FOLDED:
            inputs["optional"][name][1]["advanced"] = True
        return inputs

    VALIDATE_INPUTS = SelfAttentionGuidanceCustom.VALIDATE_INPUTS

    def patch(
        self,
        model: ModelPatcher,
        scale: float,
        blur_sigma: float,
        sigma_start: float,
        sigma_end: float,
        threshold: float = 1.0,
        branch: str = AUTO,
        layer: str = MIDDLE,
        fade: str = "none",
        rescale: float = 0.0,
        rescale_mode: str = FULL,
        every: int = 1,
        detail: float = 0.0,
    ) -> tuple[ModelPatcher]:
        """A clone of `model` with guidance; ValueError for values or models that it cannot work with."""
        values = {
            "scale": scale, "blur_sigma": blur_sigma, "sigma_start": sigma_start,
            "sigma_end": sigma_end, "threshold": threshold, "rescale": rescale, "every": every, "detail": detail,
            "branch": branch, "fade": fade, "rescale_mode": rescale_mode,
        }  # fmt: skip
        if wrong := values_error({"model": model, **values}, LINKED | ADVANCED_RANGES | CHOICES) or layer_error(layer):
            raise ValueError(wrong)
        window = SigmaWindow(float(sigma_start), float(sigma_end))
        settings = Settings(
            scale=scale, blur_sigma=blur_sigma, window=window, threshold=threshold, branch=branch, fade=fade,
            rescale=rescale, rescale_mode=rescale_mode, every=every, detail=detail,
        )  # fmt: skip
        return (with_guidance(model, settings, Typed(ADVANCED, {**values, "layer": layer}), layer.strip()),)
