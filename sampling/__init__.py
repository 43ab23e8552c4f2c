"""What runs while the host samples.

    hooks           when guidance acts        host        every difference between the host's versions
    self_attention  what it computes          host_types  the host's own objects and dicts, by name
    branch          which prompt is read      post_cfg    what the host hands to a post-CFG function
    recorder        what is noted meanwhile   layers      which attention is read
    run, run_log    what a run keeps and says schedule    the host's own schedules
    masks           what outlives a run       settings    what a user sets
    page            what the page is told     cpu_copy    from the GPU to the CPU without a wait
    skipped         the word for a step without guidance

The nodes take what they need from here, never from a module inside: ComfyUI before 10 April 2025 names a pack by its
path, and where that holds a dot, only a room that is already open can be looked into.
"""

from .hooks import DelayedGuidance
from .host_types import Latent, LatentFormat, ModelPatcher, ModelSampling
from .layers import MIDDLE, find_layer, layer_name_error
from .masks import MASK_STORE, Sampling, StepMask
from .page import node_under_way
from .schedule import percent_to_sigma, percents_of, preset_bounds, schedule_of
from .self_attention import SelfAttentionGuidance
from .settings import AUTO, BRANCHES, FULL, NAME, RESCALE_MODES, Settings

__all__ = [
    "AUTO", "BRANCHES", "FULL", "MASK_STORE", "MIDDLE", "NAME", "RESCALE_MODES", "DelayedGuidance",
    "Latent", "LatentFormat", "ModelPatcher", "ModelSampling", "Sampling", "SelfAttentionGuidance", "Settings",
    "StepMask", "find_layer", "layer_name_error", "node_under_way", "percent_to_sigma", "percents_of", "preset_bounds",
    "schedule_of",
]  # fmt: skip
