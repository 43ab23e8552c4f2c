"""What runs while the host samples.

    hooks           when guidance acts        host        every difference between the host's versions
    self_attention  what it computes          post_cfg    what the host hands to a post-CFG function
    branch          which prompt is read      layers      which attention is read
    recorder        what is noted meanwhile   schedule    the host's own schedules
    run, run_log    what a run keeps and says settings    what a user sets
    masks           what outlives a run       cpu_copy    from the GPU to the CPU without a wait

The nodes take what they need from here, never from a module inside: ComfyUI before 10 April 2025 names a pack by its
path, and where that holds a dot, only a room that is already open can be looked into.
"""

from .hooks import DelayedGuidance
from .layers import MIDDLE, find_layer, layer_name_error, layers_of
from .masks import MASK_STORE, RunMasks, StepMask
from .schedule import percent_to_sigma, preset_bounds, schedule_of
from .self_attention import SelfAttentionGuidance
from .settings import ADVANCED, AUTO, BRANCHES, FULL, NAME, RESCALE_MODES, Settings

__all__ = [
    "ADVANCED", "AUTO", "BRANCHES", "FULL", "MASK_STORE", "MIDDLE", "NAME", "RESCALE_MODES", "DelayedGuidance",
    "RunMasks", "SelfAttentionGuidance", "Settings", "StepMask", "find_layer", "layer_name_error", "layers_of",
    "percent_to_sigma", "preset_bounds", "schedule_of",
]  # fmt: skip
