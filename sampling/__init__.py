"""What runs while the host samples.

The nodes take what they need from here, never from a module inside: ComfyUI before 10 April 2025 names a pack by its
path, and where that holds a dot, only a room that is already open can be looked into.
"""

from .hooks import ADVANCED, AUTO, BRANCHES, FULL, RESCALE_MODES, DelayedSAG, Settings
from .layers import MIDDLE, complaint, find_layer, layers_of
from .masks import STORE, RunMasks, StepMask
from .run import NAME

__all__ = [
    "ADVANCED", "AUTO", "BRANCHES", "FULL", "MIDDLE", "NAME", "RESCALE_MODES", "STORE", "DelayedSAG", "RunMasks",
    "Settings", "StepMask", "complaint", "find_layer", "layers_of",
]  # fmt: skip
