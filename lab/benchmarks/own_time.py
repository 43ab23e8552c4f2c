"""A node's own time: what passes inside its hooks, without what these ask of the host.

Two samples of seconds cannot tell the few milliseconds in which they differ. This times them alone: on a GPU
from mark to mark in its queue, where a wait for the CPU counts too; on the CPU by the clock.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import wraps
from itertools import pairwise
from typing import Any
from unittest.mock import patch

import torch

from lab.benchmarks.cases import Workload
from lab.benchmarks.timing import cuda, load, synchronize

Function = Callable[..., Any]
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
