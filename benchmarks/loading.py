"""`load`: how long importing the pack takes where torch and the host are imported already."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from hosting import PACK, ROOT
from records import Records

PROGRAM = f"""
import importlib.util, sys, time
sys.path.insert(0, {os.environ.get("COMFYUI_PATH", "")!r})
import comfy.cli_args
comfy.cli_args.args.cpu = True
import comfy.sample, nodes, numpy, PIL.Image
begin = time.perf_counter()
spec = importlib.util.spec_from_file_location(
    {PACK!r}, {str(ROOT / "__init__.py")!r}, submodule_search_locations=[{str(ROOT)!r}])
sys.modules[{PACK!r}] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sys.modules[{PACK!r}])
print(time.perf_counter() - begin)
"""


def loading(repetitions: int, out: Path) -> None:
    """Each time in an interpreter of its own; the first may have to compile the pack's source and is not counted."""
    with Records(out) as records:
        for repetition in range(-1, repetitions):
            answer = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
            seconds = float(answer.stdout.split()[-1])
            if repetition >= 0:
                records.add("load", repetition=repetition, seconds=seconds)
            print(f"import {1000 * seconds:.1f} ms", flush=True)
