"""The real ComfyUI and this pack in one process, the pack under the name its tests use."""

from __future__ import annotations

import logging

from lab.loading import load_host


def start() -> None:
    """Make ComfyUI's modules and the pack importable; COMFYUI_PATH names the host's folder."""
    load_host()
    import comfy.cli_args

    comfy.cli_args.args.use_pytorch_cross_attention = True  # on the CPU, too, what the host takes on NVIDIA cards
    logging.getLogger().setLevel(logging.ERROR)  # the pack's line after each run still costs what it costs
