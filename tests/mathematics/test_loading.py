"""The pack loads anywhere: without the host, without a word, quickly."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

LOAD = """
import sys, time
import torch, logging, inspect, uuid, weakref, collections, dataclasses
import importlib.util
sys.dont_write_bytecode = True
spec = importlib.util.spec_from_file_location("a pack.with_any-name", sys.argv[1] + "/__init__.py",
                                              submodule_search_locations=[sys.argv[1]])
pack = importlib.util.module_from_spec(spec)
sys.modules[spec.name] = pack
started = time.perf_counter()
spec.loader.exec_module(pack)
sys.stderr.write(f"{(time.perf_counter() - started) * 1000:.1f} ms\\n")
assert not any(name == "comfy" or name.startswith("comfy.") for name in sys.modules)
assert list(pack.NODE_CLASS_MAPPINGS) == list(pack.NODE_DISPLAY_NAME_MAPPINGS) == [
    "SAG delayed activation", "SAG delayed activation (advanced)", "SAG sigma window", "SAG mask preview",
]
"""


def test_the_pack_loads_without_the_host_and_prints_nothing():
    done = subprocess.run([sys.executable, "-c", LOAD, str(ROOT)], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
