"""The node's own time in one sample: what passes inside its hooks, without what these ask of the host.

Two samples of seconds cannot tell how the few milliseconds grow in which they differ. This times them alone: on a GPU
from mark to mark in its queue, where a wait for the CPU counts too; on the CPU by the clock.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import partialmethod
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
        self.running = False
        self.marks: list[Any] = []  # of its starts and stops, in turn

    def switch(self, running: bool) -> None:
        if running != self.running:
            self.marks.append(mark(len(self.marks)))
            self.running = running

    def during(self, function: Function, running: bool) -> Function:
        """The function, running or not while it is called, and afterwards as before."""

        def timed(*args: Any, **options: Any) -> Any:
            before = self.running
            self.switch(running)
            try:
                return function(*args, **options)
            finally:
                self.switch(before)

        return timed

    inside, outside = partialmethod(during, running=True), partialmethod(during, running=False)

    def around(self, wrapper: Function) -> Function:
        """Inside a wrapper, which the host hands the rest of its own work as the first argument."""
        return self.inside(lambda rest, *args, **options: wrapper(self.outside(rest), *args, **options))

    def stretches(self) -> list[float]:
        """Seconds of each stretch in which it ran."""
        synchronize()
        pairs = zip(self.marks[::2], self.marks[1::2], strict=True)
        return [start.elapsed_time(stop) / 1000 if cuda() else stop - start for start, stop in pairs]


def stretch_seconds(count: int = 1000) -> float:
    """What a stretch takes in which nothing is done, where nothing else is queued."""
    for _ in range(2):  # the first time finds the events
        stopwatch = Stopwatch()
        nothing = stopwatch.inside(lambda: None)
        for _ in range(count):
            nothing()
        taken = statistics.median(stopwatch.stretches())
    return taken


def watch(model: Any, stopwatch: Stopwatch) -> None:
    """Let the stopwatch run inside every hook that stands on `model`, which is this sample's own."""
    options = model.model_options
    posts = options.get("sampler_post_cfg_function", [])
    options["sampler_post_cfg_function"] = [stopwatch.inside(post) for post in posts]
    transformer = options.get("transformer_options", {})
    for place, replace in list(transformer.get("patches_replace", {}).get("attn1", {}).items()):
        model.set_model_attn1_replace(stopwatch.inside(replace), *place)
    for by_key in transformer.get("wrappers", {}).values():
        for key, wrappers in by_key.items():
            by_key[key] = [stopwatch.around(wrapper) for wrapper in wrappers]


def own_stretches(work: Workload, model: Any) -> list[float]:
    """Seconds of every stretch inside the hooks on `model`, this sample's own, in one sample of `work`."""
    import comfy.samplers
    from comfy.ldm.modules import attention

    stopwatch = Stopwatch()
    watch(model, stopwatch)
    load(model)
    synchronize()
    evaluate, attend = comfy.samplers.calc_cond_batch, attention.optimized_attention
    with (
        patch.object(comfy.samplers, "calc_cond_batch", stopwatch.outside(evaluate)),
        patch.object(attention, "optimized_attention", stopwatch.outside(attend)),
    ):
        work.sample(model)
    return stopwatch.stretches()
