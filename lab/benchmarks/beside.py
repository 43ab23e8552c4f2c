"""`beside` and `own`: this pack beside an earlier version of itself and beside the host's own SAG, in one run.

The earlier version is a checkout in a folder of its own. Both are loaded in one process, sample the same weights, and
take turns in an order that is shuffled anew in every repetition, so that a card that warms up favours neither.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from lab.benchmarks.cases import ADVANCED, HOST, UNPATCHED, Case, Workload, with_pack, workload
from lab.benchmarks.own_time import by_hook, own_stretches, stretch_seconds
from lab.benchmarks.timing import time_sample
from lab.loading import load_pack
from lab.records import Records

EARLIER = "earlier"  # the name under which that version is loaded
DETAIL = 0.5
Found = TypeVar("Found")


def versions(work: Workload, earlier: Path) -> dict[str, Callable[[], Any]]:
    """What makes each variant's MODEL, by its name."""
    load_pack(EARLIER, earlier)
    steps, pack = work.case.steps, partial(with_pack, work.model, work.case.steps)
    return {
        UNPATCHED: partial(work.variant, UNPATCHED), HOST: partial(work.variant, HOST),
        "earlier, all steps": partial(pack, steps, pack=EARLIER), "all steps": partial(pack, steps),
        "earlier, no step": partial(pack, 0, pack=EARLIER), "no step": partial(pack, 0),
        "detail": partial(pack, steps, ADVANCED, detail=DETAIL),
    }  # fmt: skip


def in_turn(
    work: Workload, earlier: Path, reps: int, ends: float, measure: Callable[[Any], Found]
) -> Iterator[tuple[int, str, Found]]:
    """Every variant in every repetition that begins before `ends`, after one each to warm up."""
    made = versions(work, earlier)
    for make in made.values():
        measure(make())
    for repetition in range(reps):
        for name in random.Random(f"{work.case.name} {repetition}").sample(list(made), len(made)):
            if time.monotonic() < ends:
                yield repetition, name, measure(made[name]())


def beside(records: Records, case: Case, earlier: Path, reps: int, ends: float) -> None:
    """Seconds of whole samples."""
    work = workload(case)
    for repetition, name, (_, found) in in_turn(work, earlier, reps, ends, partial(time_sample, work)):
        records.add(kind="beside", case=case.name, steps=case.steps, repetition=repetition, variant=name, **found)


def own(records: Records, case: Case, earlier: Path, reps: int, ends: float) -> None:
    """Seconds a step inside the hooks."""
    work, stopwatch = workload(case), stretch_seconds()
    for repetition, name, stretches in in_turn(work, earlier, reps, ends, partial(own_stretches, work)):
        found = {"stopwatch": stopwatch, **by_hook(stretches, case.steps)}
        records.add(kind="own", case=case.name, steps=case.steps, repetition=repetition, variant=name, **found)
