"""`growth`: a node's own time, against tokens, batch and steps: what passes inside its hooks, without what these ask of
the host.

Two samples of seconds cannot tell how the few milliseconds grow in which they differ. This times them alone: on a GPU
from mark to mark in its queue, where a wait for the CPU counts too; on the CPU by the clock.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable
from functools import wraps
from itertools import pairwise
from typing import Any
from unittest.mock import patch

import torch

from lab.benchmarks.cases import ALL, HOST, NONE, Case, Workload, build, workload
from lab.benchmarks.timing import cuda, load, synchronize
from lab.records import Records

Function = Callable[..., Any]
SIDES, BATCHES, STEPS = (512, 768, 1024, 1536, 2048, 3072), (1, 2, 4, 8), (2, 4, 8, 16)
FEW_STEPS = 4
MEASURED = (ALL, NONE, HOST)
EVENTS: list[torch.cuda.Event] = []  # made once: to make one takes longer than to record it


def mark(number: int) -> Any:
    """This moment: in the GPU's queue, or on the CPU. A number is taken again only where the last sample is read."""
    if not cuda():
        return time.perf_counter()
    while number >= len(EVENTS):
        EVENTS.append(torch.cuda.Event(enable_timing=True))
    EVENTS[number].record()
    return EVENTS[number]


class Stopwatch:
    """Runs inside the node's hooks, pauses where they call the host, runs again where the host calls them in turn."""

    def __init__(self) -> None:
        self.hook: str | None = None  # in which it runs; None: it pauses
        self.marks: list[tuple[str | None, Any]] = []  # the moments at which it came there

    def switch(self, hook: str | None) -> None:
        if hook != self.hook:
            self.marks.append((hook, mark(len(self.marks))))
            self.hook = hook

    def during(self, function: Function, hook: str | None) -> Function:
        """The function, in that hook while it is called, and afterwards as before."""

        @wraps(function)  # the host's executor says by its attributes whose work it does
        def timed(*args: Any, **options: Any) -> Any:
            before = self.hook
            self.switch(hook)
            try:
                return function(*args, **options)
            finally:
                self.switch(before)

        return timed

    def outside(self, function: Function) -> Function:
        return self.during(function, None)

    def around(self, wrapper: Function, hook: str) -> Function:
        """Inside a wrapper, which the host hands the rest of its own work as the first argument."""
        return self.during(lambda rest, *args, **options: wrapper(self.outside(rest), *args, **options), hook)

    def stretches(self) -> list[tuple[str, float]]:
        """Hook and seconds of each stretch in which it ran."""
        synchronize()
        pairs = [(hook, start, stop) for (hook, start), (_, stop) in pairwise(self.marks) if hook is not None]
        return [(hook, start.elapsed_time(stop) / 1000 if cuda() else stop - start) for hook, start, stop in pairs]


def stretch_seconds(count: int = 1000) -> float:
    """What a stretch takes in which nothing is done, where nothing else is queued."""
    for _ in range(2):  # the first time finds the events
        stopwatch = Stopwatch()
        nothing = stopwatch.during(lambda: None, "nothing")
        for _ in range(count):
            nothing()
        taken = statistics.median(seconds for _, seconds in stopwatch.stretches())
    return taken


def watch(model: Any, stopwatch: Stopwatch) -> None:
    """Let the stopwatch run inside every hook that stands on `model`, which is this sample's own."""
    options = model.model_options
    posts = options.get("sampler_post_cfg_function", [])
    options["sampler_post_cfg_function"] = [stopwatch.during(post, "after CFG") for post in posts]
    transformer = options.get("transformer_options", {})
    for place, replace in list(transformer.get("patches_replace", {}).get("attn1", {}).items()):
        model.set_model_attn1_replace(stopwatch.during(replace, "attention"), *place)
    for kind, by_key in transformer.get("wrappers", {}).items():
        for key, wrappers in by_key.items():
            by_key[key] = [stopwatch.around(wrapper, kind) for wrapper in wrappers]


def own_stretches(work: Workload, model: Any) -> list[tuple[str, float]]:
    """Hook and seconds of every stretch inside the hooks in one sample with `model`, which is this sample's own."""
    import comfy.samplers
    from comfy.ldm.modules import attention

    stopwatch = Stopwatch()
    watch(model, stopwatch)
    load(model)
    synchronize()
    evaluate, attend = (stopwatch.outside(f) for f in (comfy.samplers.calc_cond_batch, attention.optimized_attention))
    with patch.object(comfy.samplers, "calc_cond_batch", evaluate):
        with patch.object(attention, "optimized_attention", attend):
            work.sample(model)
    return stopwatch.stretches()


def by_hook(stretches: list[tuple[str, float]], steps: int) -> dict[str, Any]:
    """What a record says of a sample's stretches: seconds a step in all and in each hook, and how many there were."""
    hooks = {name: sum(s for hook, s in stretches if hook == name) / steps for name in dict(stretches)}
    return {"own_seconds": sum(hooks.values()), "hooks": hooks, "stretches": len(stretches) / steps}


def points(family: str) -> list[tuple[str, Case]]:
    """The axes, and the cases along each; a tiny UNet gets pictures of an eighth, which a CPU can sample."""
    part = 8 if family == "tiny" else 1
    sides = [Case(family, side // part, 1, FEW_STEPS) for side in SIDES]
    batches = [Case(family, 1024 // part, batch, FEW_STEPS) for batch in BATCHES]
    steps = [Case(family, 512 // part, 1, count) for count in STEPS]
    return [(axis, case) for axis, cases in (("tokens", sides), ("batch", batches), ("steps", steps)) for case in cases]


def growth(records: Records, reps: int, ends: float) -> None:
    """All points in every repetition, so that a stop leaves every axis as well measured as the others."""
    family = "sdxl" if cuda() else "tiny"
    model = build(family)
    works = [(axis, workload(case, model)) for axis, case in points(family)]
    records.add(kind="stopwatch", seconds=stretch_seconds())
    for name in MEASURED:
        for _, work in works:
            own_stretches(
                work.of_one_step(), work.of_one_step().variant(name)
            )  # the first of a shape finds its kernels
    for repetition in range(reps):
        if time.monotonic() > ends:
            return
        dice = random.Random(repetition)
        for axis, work in dice.sample(works, len(works)):
            for name in dice.sample(MEASURED, len(MEASURED)):
                case, stretches = work.case, own_stretches(work, work.variant(name))
                records.add(kind="growth", axis=axis, case=case.name, side=case.side, batch=case.batch,
                            steps=case.steps, repetition=repetition, variant=name,
                            **by_hook(stretches, case.steps))  # fmt: skip
