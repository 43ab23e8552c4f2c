"""ComfyUI and this pack in the running process: the one place that loads them."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[1]
PACK = "sag_delayed_activation"


def load_pack(name: str = PACK, folder: Path = ROOT) -> ModuleType:
    """A custom node pack as ComfyUI loads it: from its folder, as a package of that name. Loaded once a name."""
    if name not in sys.modules:
        places = [str(folder)]
        spec = importlib.util.spec_from_file_location(name, folder / "__init__.py", submodule_search_locations=places)
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


def load_host(cpu: bool | None = None) -> None:
    """Make ComfyUI's modules, from the folder that COMFYUI_PATH names, and the pack importable.

    `cpu` says whether the host keeps to the CPU; None: where there is no GPU. It decides when it is first imported.
    """
    host = os.environ.get("COMFYUI_PATH", "")
    if not (Path(host) / "main.py").is_file():
        raise SystemExit(f"Set COMFYUI_PATH to a ComfyUI folder, got {host!r}; `python dev.py` does so.")
    if host not in sys.path:
        sys.path.insert(0, host)  # in front: the repository has a `nodes`, too, and the host's must be found
    import comfy.cli_args
    import torch

    comfy.cli_args.args.cpu = not torch.cuda.is_available() if cpu is None else cpu
    load_pack()
