"""`run`: all variants of one case, shuffled anew in every repetition, so that ratios can be paired within it.

`load`: how long importing the pack takes where torch and the host are imported already.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time

import torch

from lab.benchmarks.cases import NONE, UNPATCHED, VARIANTS, Case, Workload, workload
from lab.benchmarks.timing import load, time_sample
from lab.loading import ROOT
from lab.records import Records

IMPORT = """
import time
import comfy.cli_args
comfy.cli_args.args.cpu = True
import comfy.sample, nodes, numpy, PIL.Image
from lab.loading import load_pack
begin = time.perf_counter()
load_pack()
print(time.perf_counter() - begin)
"""


def run(records: Records, case: Case, reps: int, ends: float) -> None:
    """The repetitions that are not there yet; none is begun after `ends`."""
    work = workload(case)
    load(work.model)
    baseline = torch.cuda.memory_allocated()
    warm_up = work.of_one_step() if reps == 1 else work  # a whole sample is long where only one is timed
    for name in VARIANTS:
        time_sample(warm_up, warm_up.variant(name))
    done = {r["repetition"] for r in records.rows if r["kind"] == "identical" and r["case"] == case.name}
    for repetition in sorted(set(range(reps)) - done):
        if time.monotonic() < ends:
            repeat(records, work, repetition, baseline)


def repeat(records: Records, work: Workload, repetition: int, baseline: int) -> None:
    """Every variant once, and whether sampling with no active step gave the very same latent."""
    which, latents = {"case": work.case.name, "repetition": repetition}, {}
    for name in random.Random(repetition).sample(VARIANTS, len(VARIANTS)):
        # Made for this sample: the host's own SAG keeps its last map as long as its MODEL lives
        latent, seconds, calls, peak = time_sample(work, work.variant(name), baseline)
        latents[name], finite = latent, None if latent is None else bool(latent.isfinite().all())
        records.add(kind="sample", **which, steps=work.case.steps, variant=name, seconds=seconds, calls=calls,
                    peak_bytes=peak, finite=finite)  # fmt: skip
    plain, none = latents[UNPATCHED], latents[NONE]
    same = plain is not None and none is not None and torch.equal(plain, none)
    records.add(kind="identical", **which, value=same)


def import_time(records: Records, reps: int) -> None:
    """Each time in an interpreter of its own; the first may have to compile the pack's source and is not counted."""
    host = {"cwd": os.environ["COMFYUI_PATH"], "env": {**os.environ, "PYTHONPATH": str(ROOT)}}
    for repetition in range(-1, reps):
        said = subprocess.run([sys.executable, "-c", IMPORT], stdout=subprocess.PIPE, text=True, check=True, **host)
        if repetition >= 0:
            records.add(kind="load", repetition=repetition, seconds=float(said.stdout.split()[-1]))
