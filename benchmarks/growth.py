"""`growth`: a node's own time in a step, against tokens, batch and steps."""

from __future__ import annotations

import random
import time
from dataclasses import replace
from pathlib import Path

from cases import Case, Workload, workload
from own_time import own_seconds
from records import Records
from variants import ALL, HOST, NONE, variants

SIDES, BATCHES, STEPS = (512, 768, 1024, 1536, 2048, 3072), (1, 2, 4, 8), (4, 8, 16, 32)
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


def own_time(work: Workload, variant: str) -> float:
    """Seconds in one step of one sample."""
    steps = work.case.steps
    return own_seconds(work, variants(work.model, steps, (variant,))[variant]) / steps


def growth(family: str, repetitions: int, out: Path, budget: float) -> None:
    """All points in every repetition, so that a stop leaves every axis as well measured as the others."""
    began, longest = time.monotonic(), 0.0
    model = workload(Case(family, 256)).model
    made = [(axis, workload(case, model)) for axis, cases in points(family).items() for case in cases]
    with Records(out) as records:
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
                    records.add("growth", axis=axis, case=work.case.name, side=work.case.side, batch=work.case.batch,
                                steps=work.case.steps, repetition=repetition, variant=variant,
                                own_seconds=own_time(work, variant))  # fmt: skip
            longest = max(longest, time.monotonic() - started)
            print(f"growth: repetition {repetition} after {time.monotonic() - began:.0f} s", flush=True)
