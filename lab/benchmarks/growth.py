"""`growth`: a node's own time in a step, against tokens, batch and steps."""

from __future__ import annotations

import random
import time
from dataclasses import replace
from pathlib import Path

from lab.benchmarks.cases import Case, Workload, workload
from lab.benchmarks.own_time import own_stretches, stretch_seconds
from lab.benchmarks.records import Records
from lab.benchmarks.variants import ALL, HOST, NONE, variants

SIDES, BATCHES, STEPS = (512, 768, 1024, 1536, 2048, 3072), (1, 2, 4, 8), (2, 4, 8, 16)
SMALL_SIDES = (128, 192, 256, 384, 512)  # for a CPU
FEW_STEPS = 4
MEASURED = (ALL, NONE, HOST)


def points(family: str) -> dict[str, list[Case]]:
    """The cases along each axis."""
    sides, side = (SMALL_SIDES, 128) if family == "tiny" else (SIDES, 1024)
    return {
        "tokens": [Case(family, s, 1, FEW_STEPS) for s in sides],
        "batch": [Case(family, side, b, FEW_STEPS) for b in BATCHES],
        "steps": [Case(family, side // 2, 1, s) for s in STEPS],
    }


def own_time(work: Workload, variant: str) -> list[float]:
    """Seconds of every stretch inside the hooks in one sample."""
    return own_stretches(work, variants(work.model, work.case.steps, (variant,))[variant])


def growth(family: str, repetitions: int, out: Path, budget: float) -> None:
    """All points in every repetition, so that a stop leaves every axis as well measured as the others."""
    began, longest = time.monotonic(), 0.0
    model = workload(Case(family, 256)).model
    made = [(axis, workload(case, model)) for axis, cases in points(family).items() for case in cases]
    with Records(out) as records:
        records.add("stopwatch", seconds=stretch_seconds())
        for variant in MEASURED:
            for _, work in made:
                own_time(replace(work, case=work.case.with_steps(1)), variant)  # the first of a shape finds its kernels
        for repetition in range(repetitions):
            started = time.monotonic()
            if started - began + longest > budget:
                break
            dice = random.Random(repetition)
            for axis, work in dice.sample(made, len(made)):
                for variant in dice.sample(MEASURED, len(MEASURED)):
                    case, stretches = work.case, own_time(work, variant)
                    records.add("growth", axis=axis, case=case.name, side=case.side, batch=case.batch,
                                steps=case.steps, repetition=repetition, variant=variant,
                                own_seconds=sum(stretches) / case.steps,
                                stretches=len(stretches) / case.steps)  # fmt: skip
            longest = max(longest, time.monotonic() - started)
            print(f"growth: repetition {repetition} after {time.monotonic() - began:.0f} s", flush=True)
