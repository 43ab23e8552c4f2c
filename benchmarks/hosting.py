"""The real ComfyUI and this pack in one process, the pack under the name its tests use."""

from __future__ import annotations

import importlib.util
import logging
import os
import sys
from pathlib import Path
from types import ModuleType

import torch

ROOT = Path(__file__).resolve().parents[1]
PACK = "sag_delayed_activation"


def start() -> None:
    """Make ComfyUI's modules and the pack importable; COMFYUI_PATH names the host's folder."""
    host = os.environ.get("COMFYUI_PATH")
    if not host or not (Path(host) / "main.py").is_file():
        raise SystemExit("Set COMFYUI_PATH to a ComfyUI folder, or use `python dev.py bench`.")
    if host not in sys.path:
        sys.path.insert(0, host)
    import comfy.cli_args

    comfy.cli_args.args.cpu = comfy.cli_args.args.cpu or not torch.cuda.is_available()
    comfy.cli_args.args.use_pytorch_cross_attention = True  # on the CPU, too, what the host takes on NVIDIA cards
    logging.getLogger().setLevel(logging.ERROR)  # the pack's line after each run still costs what it costs
    pack()


def pack() -> ModuleType:
    """The pack, loaded as ComfyUI loads it: as a package, from its folder."""
    if PACK not in sys.modules:
        parts = [str(ROOT)]
        spec = importlib.util.spec_from_file_location(PACK, ROOT / "__init__.py", submodule_search_locations=parts)
        sys.modules[PACK] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[PACK])
    return sys.modules[PACK]
