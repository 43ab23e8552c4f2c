"""`growth`: the overhead per step against tokens, batch and steps."""

from __future__ import annotations

import random
import time
from dataclasses import replace
from pathlib import Path

from cases import Case, workload
from records import Records
from timing import bytes_held, load, timed
from variants import ALL, LIMIT, NONE, UNPATCHED, variants

SIDES, BATCHES, STEPS = (512, 768, 1024, 1536, 2048), (1, 2, 4, 8), (4, 8, 16, 32)
FEW_STEPS = 4
SMALL = {"tiny": 128}  # side where the batch and the steps grow, for a CPU
MEASURED = (UNPATCHED, NONE, LIMIT, ALL)


def points(family: str) -> dict[str, list[Case]]:
    """The cases along each axis."""
    side = SMALL.get(family, 1024)
    sides = SIDES if family not in SMALL else (128, 192, 256, 384, 512)
    return {
        "tokens": [Case(family, s, 1, FEW_STEPS) for s in sides],
        "batch": [Case(family, side, b, FEW_STEPS) for b in BATCHES],
        "steps": [Case(family, side // 2, 1, s) for s in STEPS],
    }


def growth(family: str, repetitions: int, out: Path, budget: float) -> None:
    """All points in every repetition, so that a stop leaves every axis as well measured as the others."""
    began, longest = time.monotonic(), 0.0
    model = workload(Case(family, 256)).model
    load(model)
    baseline = bytes_held()
    made = [(axis, workload(case, model)) for axis, cases in points(family).items() for case in cases]
    models = {work.case.steps: variants(model, work.case.steps, MEASURED) for _, work in made}
    with Records(out) as records:
        for _, work in made:
            for patched in variants(model, 1, MEASURED).values():
                timed(replace(work, case=work.case.with_steps(1)), patched, 0)
        for repetition in range(repetitions):
            started = time.monotonic()
            if started - began + longest > budget:
                break
            for axis, work in made:
                for variant in random.Random(repetition).sample(MEASURED, len(MEASURED)):
                    sample = timed(work, models[work.case.steps][variant], baseline)
                    records.add("growth", axis=axis, case=work.case.name, side=work.case.side, batch=work.case.batch,
                                steps=work.case.steps, repetition=repetition, variant=variant, seconds=sample.seconds,
                                peak_bytes=sample.peak)  # fmt: skip
            longest = max(longest, time.monotonic() - started)
            print(f"growth: repetition {repetition} after {time.monotonic() - began:.0f} s", flush=True)
