"""ComfyUI and this pack in the running process, from the folder that COMFYUI_PATH names."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

ROOT = Path(__file__).resolve().parents[1]
PACK = "sag_delayed_activation"


def start() -> None:
    """Make the host, the pack and the demo's model importable. What is there already stays."""
    for folder in (str(ROOT / "demo"), os.environ.get("COMFYUI_PATH", "")):
        if folder not in sys.path:
            sys.path.insert(0, folder)
    import comfy.cli_args

    comfy.cli_args.args.cpu = not torch.cuda.is_available()  # the host asks for a GPU as soon as it is imported
    if PACK not in sys.modules:
        spec = importlib.util.spec_from_file_location(
            PACK, ROOT / "__init__.py", submodule_search_locations=[str(ROOT)]
        )
        sys.modules[PACK] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[PACK])


def pack(module: str) -> ModuleType:
    """One of the pack's modules."""
    return importlib.import_module(f"{PACK}.{module}")


@contextmanager
def replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    """While it lasts, `owner` has another attribute of this name."""
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)
