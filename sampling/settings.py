"""What a user sets, and the names that users know."""

from __future__ import annotations

from dataclasses import dataclass

from ..sag_core import SigmaWindow

NAME = "SAG delayed activation"
ADVANCED = "SAG delayed activation (advanced)"
AUTO, NEGATIVE, POSITIVE = "auto", "negative", "positive"
BRANCHES = [AUTO, NEGATIVE, POSITIVE]
FULL, PARTIAL = "full", "partial"
RESCALE_MODES = [FULL, PARTIAL]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that can be set about guidance. The basic node has no input for what has a default, and uses that."""

    scale: float  # a factor without unit; 0: no guidance
    blur_sigma: float  # latent pixels; 0: no guidance
    window: SigmaWindow  # in the model's sigmas
    threshold: float = 1.0  # of attention, whose average is 1; 0: the mask is the whole picture
    branch: str = NEGATIVE  # which side of CFG is read: one of BRANCHES
    fade: str = "none"  # how scale changes over the window: one of FADES; "none": not at all
    rescale: float = 0.0  # share of the way to the positive's contrast, 0 to 1; 0: not at all
    rescale_mode: str = FULL  # what rescale measures guidance on: one of RESCALE_MODES
    detail: float = 0.0  # share of what the blur took away that guidance gives back, 0 to 1; 0: the paper's guidance
    every: int = 1  # guidance is computed on every n-th active evaluation; 1: on each
