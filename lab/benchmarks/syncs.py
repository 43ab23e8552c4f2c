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
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

from torch.profiler import profile, record_function

from lab.benchmarks.cases import ALL, HOST, NONE, UNPATCHED, Case, Workload, workload
from lab.records import Records

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
    unet = model.model.diffusion_model
    with patch.object(unet, "forward", record_function(UNET_CALL)(unet.forward)), profile() as profiler:
        work.sample(model)
    with tempfile.TemporaryDirectory() as scratch:
        profiler.export_chrome_trace(f"{scratch}/trace.json")
        return json.loads(Path(scratch, "trace.json").read_text())["traceEvents"]


def in_order(events: list[Event]) -> list[Event]:
    """Those that lasted for some time."""
    return sorted((e for e in events if e.get("ph") == "X"), key=lambda e: e["ts"])


def end(event: Event) -> float:
    return event["ts"] + event["dur"]


def calls_in(events: list[Event]) -> list[Call]:
    """The UNet calls of a trace in their order; those that launched no kernel are left out."""
    events, calls = in_order(events), []
    ends = {e["args"]["correlation"]: end(e) for e in events if e.get("cat") == "kernel"}
    by_cpu = [e for e in events if e.get("cat") in ("cuda_runtime", "cuda_driver")]
    launches = [(e["ts"], ends.get(e.get("args", {}).get("correlation"))) for e in by_cpu]  # and when its kernel ended
    for span in (e for e in events if e["name"] == UNET_CALL and e.get("cat") == "user_annotation"):
        own = [(ts, ended) for ts, ended in launches if ended and span["ts"] <= ts <= end(span)]
        if own:
            calls.append(Call(own[0][0], own[-1][0], max(ended for _, ended in own)))
    return calls


def waits_in(events: list[Event]) -> list[Event]:
    """The events in which the CPU waits for the GPU, in their order."""
    return [e for e in in_order(events) if WAITS.match(e["name"])]


def inside(call: Call, waits: list[Event]) -> list[str]:
    """Names of the waits between the call's first and last launch."""
    return [e["name"] for e in waits if call.first_launch <= e["ts"] <= call.last_launch]


def draining(call: Call, following: Call | None, waits: list[Event]) -> list[str]:
    """Names of the waits between this call's last launch and the next one's first that last until this one is done."""
    until = min(call.last_kernel_end, following.first_launch if following else math.inf)
    between = [e for e in waits if call.last_launch < e["ts"] < until]
    return [e["name"] for e in between if end(e) >= call.last_kernel_end - SLACK]


def sync(records: Records, case: Case) -> None:
    work = workload(case)
    for name in (UNPATCHED, NONE, ALL, HOST):
        model = work.variant(name)
        work.sample(model)  # what is made once, at the first use, is no finding
        events = trace(work, model)
        calls, waits = calls_in(events), waits_in(events)
        records.add(kind="sync", case=case.name, steps=case.steps, variant=name, calls=len(calls),
                    inside=[inside(call, waits) for call in calls],
                    draining=[draining(call, after, waits) for call, after in zip_longest(calls, calls[1:])])
