"""`load`: how long importing the pack takes where torch and the host are imported already."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from lab.benchmarks.records import Records
from lab.loading import ROOT

PROGRAM = f"""
import sys, time
sys.path.insert(0, {os.environ.get("COMFYUI_PATH", "")!r})
sys.path.append({str(ROOT)!r})
from lab.loading import load_pack
import comfy.cli_args
comfy.cli_args.args.cpu = True
import comfy.sample, nodes, numpy, PIL.Image
begin = time.perf_counter()
load_pack()
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
