"""Loads the repository as ComfyUI loads a pack: as a package of another name, from its folder."""

import importlib.util
import sys
from pathlib import Path

from hypothesis import settings

ROOT = Path(__file__).parents[1]


def load_pack(name: str = "sag_delayed_activation") -> None:
    spec = importlib.util.spec_from_file_location(name, ROOT / "__init__.py", submodule_search_locations=[str(ROOT)])
    sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[name])


load_pack()
# The same examples each time, so that a commit cannot fail by chance. `--hypothesis-profile nightly` looks at others.
settings.register_profile("normal", max_examples=25, derandomize=True, deadline=None, database=None)
settings.register_profile("nightly", max_examples=500, deadline=None, database=None, print_blob=True)
settings.load_profile("normal")
