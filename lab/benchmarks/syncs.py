"""`sync`: where the CPU waits for the GPU, from the profiler's trace of one sample.

A wait between a UNet call's first and last launch leaves the GPU idle in the middle of it. A wait that begins before
the next call's first launch and lasts until this call's last kernel is done drains the queue: the GPU idles until more
is launched. A wait for something older, with a whole call queued behind it, costs nothing.
"""

from __future__ import annotations

import json
import math
import re
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from lab.benchmarks.cases import Case, Workload, workload
from lab.benchmarks.records import Records
from lab.benchmarks.timing import cuda, timed
from lab.benchmarks.variants import ALL, HOST, NONE, UNPATCHED, variants

UNET_CALL = "UNet call"
WAITS = re.compile(r"^cu(da)?\w*Synchronize\w*$|^cudaMemcpy$|^aten::_local_scalar_dense$")
SLACK = 1.0  # microseconds that the CPU's and the GPU's clocks may differ in a trace

Event = dict[str, Any]


class Call(NamedTuple):
    """One UNet call in a trace, in microseconds: when its kernels were launched, and when they ran."""

    first_launch: float
    last_launch: float
    last_kernel_end: float


def trace(work: Workload, model: Any) -> list[Event]:
    """The profiler's events of one sample, each UNet call marked."""
    from torch.profiler import ProfilerActivity, profile, record_function

    unet = model.model.diffusion_model
    forward = unet.forward

    def marked(*args: Any, **options: Any) -> Any:
        with record_function(UNET_CALL):
            return forward(*args, **options)

    unet.forward = marked
    activities = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * cuda()
    try:
        with profile(activities=activities) as profiler:
            work.sample(model)
    finally:
        del unet.forward
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "trace.json"
        profiler.export_chrome_trace(str(path))
        return json.loads(path.read_text())["traceEvents"]


def end(event: Event) -> float:
    return event["ts"] + event["dur"]


def calls_in(events: Iterable[Event]) -> list[Call]:
    """The UNet calls of a trace in their order; those that launched no kernel are left out."""
    whole = [e for e in events if e.get("ph") == "X"]
    kernels = {e["args"]["correlation"]: e for e in whole if e.get("cat") == "kernel"}
    launches = [e for e in whole if e.get("cat") in ("cuda_runtime", "cuda_driver")]
    launches = [e for e in launches if e.get("args", {}).get("correlation") in kernels]
    found = []
    spans = [e for e in whole if e["name"] == UNET_CALL and e.get("cat") == "user_annotation"]
    for span in sorted(spans, key=lambda e: e["ts"]):
        own = [e for e in launches if span["ts"] <= e["ts"] <= end(span)]
        if own:
            last = max(end(kernels[e["args"]["correlation"]]) for e in own)
            found.append(Call(min(e["ts"] for e in own), max(e["ts"] for e in own), last))
    return found


def waits_in(events: Iterable[Event]) -> list[Event]:
    """The events in which the CPU waits for the GPU, in their order."""
    waits = [e for e in events if e.get("ph") == "X" and WAITS.match(e["name"])]
    return sorted(waits, key=lambda e: e["ts"])


def inside(call: Call, waits: list[Event]) -> list[str]:
    """Names of the waits between the call's first and last launch."""
    return [e["name"] for e in waits if call.first_launch <= e["ts"] <= call.last_launch]


def draining(call: Call, following: Call | None, waits: list[Event]) -> list[str]:
    """Names of the waits between this call's last launch and the next one's first that last until this one is done."""
    until = min(call.last_kernel_end, following.first_launch if following else math.inf)
    between = [e for e in waits if call.last_launch < e["ts"] < until]
    return [e["name"] for e in between if end(e) >= call.last_kernel_end - SLACK]


def sync(case: Case, out: Path) -> None:
    work = workload(case)
    models = variants(work.model, case.steps, (UNPATCHED, NONE, ALL, HOST))
    with Records(out) as records:
        for name, model in models.items():
            timed(work, model, 0)  # what is made once, at the first use, is no finding
            events = trace(work, model)
            calls, waits = calls_in(events), waits_in(events)
            pairs = zip(calls, [*calls[1:], None], strict=True) if calls else ()
            found = {
                "inside": [inside(call, waits) for call in calls],
                "draining": [draining(call, following, waits) for call, following in pairs],
            }
            records.add("sync", case=case.name, steps=case.steps, variant=name, calls=len(calls), **found)
            counts = {what: sum(map(len, of_calls)) for what, of_calls in found.items()}
            print(f"{name:9} {len(calls):3} UNet calls with kernels: waits {counts}", flush=True)


