"""`run`: all variants of one case, shuffled anew in every repetition, so that ratios can be paired within it."""

from __future__ import annotations

import random

import torch

from lab.benchmarks.cases import Case, Workload, workload
from lab.benchmarks.timing import MIB, Sample, bytes_held, load, time_sample, until
from lab.benchmarks.variants import NONE, UNPATCHED, VARIANTS, variant
from lab.records import Records


def run(records: Records, case: Case, reps: int, ends: float) -> None:
    """The repetitions that are not there yet; SystemExit where no active step is not bit-identical to unpatched."""
    work = workload(case)
    load(work.model)
    baseline = bytes_held()
    warm_up = work.of_one_step() if reps == 1 else work  # a whole sample is long where only one is timed
    for name in VARIANTS:
        sample(warm_up, name)
    done = {r["repetition"] for r in records.rows if r["kind"] == "identical" and r["case"] == case.name}
    for repetition in until(ends, sorted(set(range(reps)) - done)):
        repeat(records, work, repetition, baseline)
    if not all(r["value"] for r in records.rows if r["kind"] == "identical"):
        raise SystemExit("With no step active the latent differed from the unpatched one.")


def sample(work: Workload, name: str, baseline: int = 0) -> Sample:
    """One sample of a variant made for it: the host's own SAG keeps its last map as long as its MODEL lives."""
    return time_sample(work, variant(name, work.model, work.case.steps), baseline)


def repeat(records: Records, work: Workload, repetition: int, baseline: int) -> None:
    """Every variant once, and whether sampling with no active step gave the very same latent."""
    which, latents = {"case": work.case.name, "repetition": repetition}, {}
    for place, name in enumerate(random.Random(repetition).sample(VARIANTS, len(VARIANTS))):
        latents[name], seconds, calls, peak = sample(work, name, baseline)
        finite = None if seconds is None else bool(latents[name].isfinite().all())
        records.add(kind="sample", **which, steps=work.case.steps, place=place, variant=name, seconds=seconds,
                    calls=calls, peak_bytes=peak, finite=finite)  # fmt: skip
        taken = "out of memory" if seconds is None else f"{1000 * seconds:9.1f} ms"
        above = "" if peak is None else f"{peak / MIB:9.1f} MiB"
        print(f"{work.case.name} {repetition:2} {name:9} {taken} {calls:3} calls {above}", flush=True)
    plain, none = latents[UNPATCHED], latents[NONE]
    same = plain is not None and none is not None and torch.equal(plain, none)
    records.add(kind="identical", **which, value=same)
