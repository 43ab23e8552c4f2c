"""`growth`: a node's own time in a step, against tokens, batch and steps."""

from __future__ import annotations

import random

from lab.benchmarks.cases import Case, Workload, workload
from lab.benchmarks.own_time import own_stretches, stretch_seconds
from lab.benchmarks.timing import until
from lab.benchmarks.variants import ALL, HOST, NONE, variant
from lab.records import Records

SIDES, BATCHES, STEPS = (512, 768, 1024, 1536, 2048, 3072), (1, 2, 4, 8), (2, 4, 8, 16)
SMALL_SIDES = (128, 192, 256, 384, 512)  # for a CPU
FEW_STEPS = 4
MEASURED = (ALL, NONE, HOST)


def points(family: str) -> list[tuple[str, Case]]:
    """The axes, and the cases along each."""
    sides, side = (SMALL_SIDES, 128) if family == "tiny" else (SIDES, 1024)
    return [
        *(("tokens", Case(family, s, 1, FEW_STEPS)) for s in sides),
        *(("batch", Case(family, side, b, FEW_STEPS)) for b in BATCHES),
        *(("steps", Case(family, side // 2, 1, s)) for s in STEPS),
    ]


def own_time(work: Workload, name: str) -> list[float]:
    """Seconds of every stretch inside the hooks in one sample."""
    return own_stretches(work, variant(name, work.model, work.case.steps))


def growth(records: Records, family: str, reps: int, ends: float) -> None:
    """All points in every repetition, so that a stop leaves every axis as well measured as the others."""
    model = workload(Case(family, 256)).model
    works = [(axis, workload(case, model)) for axis, case in points(family)]
    records.add(kind="stopwatch", seconds=stretch_seconds())
    for name in MEASURED:
        for _, work in works:
            own_time(work.of_one_step(), name)  # the first of a shape finds its kernels
    for repetition in until(ends, range(reps)):
        dice = random.Random(repetition)
        for axis, work in dice.sample(works, len(works)):
            for name in dice.sample(MEASURED, len(MEASURED)):
                case, stretches = work.case, own_time(work, name)
                records.add(kind="growth", axis=axis, case=case.name, side=case.side, batch=case.batch,
                            steps=case.steps, repetition=repetition, variant=name,
                            own_seconds=sum(stretches) / case.steps, stretches=len(stretches) / case.steps)  # fmt: skip
        print(f"growth: repetition {repetition} is done", flush=True)
