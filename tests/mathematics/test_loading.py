"""The pack loads anywhere: without the host, without a word, quickly."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

LOAD = """
import sys, time
import torch, logging, inspect, uuid, collections, dataclasses
sys.dont_write_bytecode = True
from lab.loading import load_pack
started = time.perf_counter()
pack = load_pack("a pack with-any_name")
sys.stderr.write(f"{(time.perf_counter() - started) * 1000:.1f} ms\\n")
assert not any(name == "comfy" or name.startswith("comfy.") for name in sys.modules)
assert list(pack.NODE_CLASS_MAPPINGS) == list(pack.NODE_DISPLAY_NAME_MAPPINGS) == [
    "SAG delayed activation", "SAG delayed activation (advanced)", "SAG sigma window", "SAG mask preview",
]
"""


def test_the_pack_loads_without_the_host_and_prints_nothing():
    done = subprocess.run([sys.executable, "-c", LOAD], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
