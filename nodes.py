"""The basic node, as a user sees it: its inputs, their tooltips and their checks."""

from __future__ import annotations

import math
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .checks import Taken, refusal
from .sag_core import SigmaWindow
from .sampling.hooks import DelayedGuidance
from .sampling.host import too_old_error
from .sampling.layers import MIDDLE, find_layer
from .sampling.prompt_graph import Typed
from .sampling.self_attention import SelfAttentionGuidance
from .sampling.settings import NAME, Settings

if TYPE_CHECKING:
    from comfy.model_patcher import ModelPatcher

RANGES = {
    "scale": (-2.0, 5.0),
    "blur_sigma": (0.0, 10.0),
    "sigma_start": (0.0, 1000.0),
    "sigma_end": (0.0, 1000.0),
}

# A linked sigma may lie above the widget's maximum: the host's percent_to_sigma(0) is 999999999.9.
LINKED: dict[str, Taken] = {
    **RANGES, "model": "MODEL", "sigma_start": (0.0, math.inf), "sigma_end": (0.0, math.inf),
}  # fmt: skip


def float_input(
    name: str, default: float, tooltip: str, ranges: dict[str, tuple[float, float]] = RANGES
) -> tuple[str, dict[str, Any]]:
    """A FLOAT input with the range that `ranges` gives for `name`. It steps by 0.01; finer values may be typed."""
    low, high = ranges[name]
    return ("FLOAT", {"default": default, "min": low, "max": high, "step": 0.01, "round": False, "tooltip": tooltip})


def values_error(values: dict[str, Any], taken: Mapping[str, Taken]) -> str | None:
    """A sentence that names the first input whose value is wrong, and that value; None if all are right."""
    if wrong := refusal(NAME, values, taken):
        return wrong
    start, end = values.get("sigma_start"), values.get("sigma_end")
    if start is not None and end is not None and start < end:
        return f"{NAME}: sigma_start must not be below sigma_end, got sigma_start={start}, sigma_end={end}"
    return None


class SelfAttentionGuidanceCustom:
    """Self-attention guidance that acts only while sigma lies in a window."""

    CATEGORY = "model_patches"
    FUNCTION = "patch"
    RETURN_TYPES = ("MODEL",)
    OUTPUT_TOOLTIPS = ("The model with guidance added. The model that was given stays as it is.",)
    DESCRIPTION = (
        "Self-Attention Guidance (SAG) inside a window of noise levels. It blurs what the negative prompt's "
        "prediction attends to most, asks the model again, and steers away from the answer. Costs one more "
        "evaluation of the negative prompt per step inside the window, and nothing outside it. Needs a UNet with "
        "self-attention in its middle block (SD1.x, SD2.x, SDXL) and a cfg other than 1."
    )
    SEARCH_ALIASES = ["SAG", "self attention guidance", "delayed SAG", "guidance interval", "attention guidance"]

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {
            "required": {
                "model": ("MODEL", {"tooltip": "A UNet model: SD1.x, SD2.x, SDXL and models made from them."}),
                "scale": float_input(
                    "scale",
                    0.5,
                    "Strength of the guidance, a factor without unit. 0 switches it off. On small photographs with "
                    "dpmpp_2m, positive took texture away and negative added it: try a better sampler first.",
                ),
                "blur_sigma": float_input(
                    "blur_sigma",
                    2.0,
                    "Width of the blur in latent pixels (8 image pixels each). 0 switches guidance off; "
                    "above 4 little changes, since the blur reaches 4 pixels.",
                ),
                "sigma_start": float_input(
                    "sigma_start",
                    15.0,
                    "Highest noise level (sigma) at which it acts, inclusive. Lower it to delay guidance. "
                    "1000 means no upper bound. Flow models run from 1 to 0: SD's 14.6, 5.42 and 1.62 are 0.936, 0.844 "
                    "and 0.618 there.",
                ),
                "sigma_end": float_input(
                    "sigma_end",
                    0.0,
                    "Lowest noise level (sigma) at which it acts, inclusive. 0 means to the last step. "
                    "Must not be above sigma_start.",
                ),
            }
        }

    @classmethod
    def VALIDATE_INPUTS(cls, sigma_start: float | None = None, sigma_end: float | None = None) -> bool | str:
        """True if both bounds are in range and the start is not below the end; else a sentence that says what is wrong.

        A linked bound is not known yet, and is None. Of one that is no float the host has said that it cannot convert
        it. No other input is an argument: the page marks each argument as wrong if this fails, and the host no longer
        checks the range of an argument itself.
        """
        given = {"sigma_start": sigma_start, "sigma_end": sigma_end}
        return values_error({name: value for name, value in given.items() if isinstance(value, float)}, RANGES) or True

    def patch(
        self, model: ModelPatcher, scale: float, blur_sigma: float, sigma_start: float, sigma_end: float
    ) -> tuple[ModelPatcher]:
        """A clone of `model` with guidance; ValueError for values or models that it cannot work with."""
        values = {"scale": scale, "blur_sigma": blur_sigma, "sigma_start": sigma_start, "sigma_end": sigma_end}
        if wrong := values_error({"model": model, **values}, LINKED):
            raise ValueError(wrong)
        window = SigmaWindow(float(sigma_start), float(sigma_end))  # a link may bring a number of another kind
        settings = Settings(scale=scale, blur_sigma=blur_sigma, window=window)
        return (with_guidance(model, settings, Typed(NAME, values)),)


def with_guidance(model: ModelPatcher, settings: Settings, typed: Typed, layer: str = MIDDLE) -> ModelPatcher:
    """A clone of `model`, with guidance unless that is off; ValueError if it lacks the layer or the host is too old.

    `typed` is what the node was given, by which the page's node is found when a run has ended.
    """
    if wrong := too_old_error():
        raise ValueError(f"{NAME} {wrong}")
    try:
        found = find_layer(model, layer)
    except ValueError as problem:
        raise ValueError(f"{NAME}: {problem}") from None
    patched = model.clone()
    if settings.scale != 0 and settings.blur_sigma != 0:
        key = f"sag_delayed_activation_{uuid.uuid4().hex}"  # several SAG nodes on one MODEL keep apart by it
        technique = SelfAttentionGuidance(settings, found, key)
        DelayedGuidance(settings, technique, key, typed).install(patched)
    return patched
