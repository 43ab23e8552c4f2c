"""`load`: how long importing the pack takes where torch and the host are imported already."""

from __future__ import annotations

import os
import subprocess
import sys

from lab.loading import ROOT
from lab.records import Records

PROGRAM = """
import time
import comfy.cli_args
comfy.cli_args.args.cpu = True
import comfy.sample, nodes, numpy, PIL.Image
from lab.loading import load_pack
begin = time.perf_counter()
load_pack()
print(time.perf_counter() - begin)
"""


def import_time(records: Records, reps: int) -> None:
    """Each time in an interpreter of its own; the first may have to compile the pack's source and is not counted."""
    host = {"cwd": os.environ["COMFYUI_PATH"], "env": {**os.environ, "PYTHONPATH": str(ROOT)}}
    for repetition in range(-1, reps):
        said = subprocess.run([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True, check=True, **host)
        seconds = float(said.stdout.split()[-1])
        if repetition >= 0:
            records.add(kind="load", repetition=repetition, seconds=seconds)
        print(f"import {1000 * seconds:.1f} ms", flush=True)
