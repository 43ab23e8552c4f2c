"""Loads the repository as ComfyUI loads a pack: as a package of another name, from its folder."""

import importlib.util
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def load_pack(name: str = "sag_delayed_activation") -> None:
    spec = importlib.util.spec_from_file_location(name, ROOT / "__init__.py", submodule_search_locations=[str(ROOT)])
    sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[name])


load_pack()
