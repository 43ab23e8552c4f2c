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
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest.mock import patch

from torch.profiler import profile, record_function

from lab.benchmarks.cases import ALL, HOST, NONE, UNPATCHED, Case, Workload, workload
from lab.records import Records

UNET_CALL = "UNet call"
WAITS = re.compile(r"^cu(da)?\w*Synchronize\w*$|^cudaMemcpy$|^aten::_local_scalar_dense$")
SLACK = 1.0  # microseconds that the CPU's and the GPU's clocks may differ in a trace

Event = dict[str, Any]
Call = tuple[float, float, float]  # of a UNet call: its first launch, its last, and the end of its last kernel


def trace(work: Workload, model: Any) -> list[Event]:
    """The profiler's events of one sample, each UNet call marked."""
    unet = model.model.diffusion_model
    with patch.object(unet, "forward", record_function(UNET_CALL)(unet.forward)), profile() as profiler:
        work.sample(model)
    with tempfile.TemporaryDirectory() as scratch:
        profiler.export_chrome_trace(f"{scratch}/trace.json")
        return json.loads(Path(scratch, "trace.json").read_text())["traceEvents"]


def end(event: Event) -> float:
    return event["ts"] + event["dur"]


def calls_in(events: list[Event]) -> list[Call]:
    """The UNet calls among events in order; those that launched no kernel are left out."""
    ends = {e["args"]["correlation"]: end(e) for e in events if e.get("cat") == "kernel"}
    by_cpu = [e for e in events if e.get("cat") in ("cuda_runtime", "cuda_driver")]
    launches = [(e["ts"], ends.get(e.get("args", {}).get("correlation"))) for e in by_cpu]  # and when its kernel ended
    spans = [e for e in events if e["name"] == UNET_CALL and e.get("cat") == "user_annotation"]
    of_calls = [[(ts, done) for ts, done in launches if done and span["ts"] <= ts <= end(span)] for span in spans]
    return [(own[0][0], own[-1][0], max(done for _, done in own)) for own in of_calls if own]


def waits_of(events: list[Event]) -> dict[str, list[list[str]]]:
    """Of each UNet call the names of the waits inside of it, and of those after it that drain the queue."""
    events = sorted((e for e in events if e.get("ph") == "X"), key=lambda e: e["ts"])
    calls, waits = calls_in(events), [e for e in events if WAITS.match(e["name"])]
    inside, draining = [], []
    for (first, last, done), (following, *_) in pairwise([*calls, (math.inf,)]):
        inside.append([e["name"] for e in waits if first <= e["ts"] <= last])
        after = [e for e in waits if last < e["ts"] < min(done, following)]
        draining.append([e["name"] for e in after if end(e) >= done - SLACK])
    return {"inside": inside, "draining": draining}


def sync(records: Records, case: Case) -> None:
    work = workload(case)
    for name in (UNPATCHED, NONE, ALL, HOST):
        model = work.variant(name)
        work.sample(model)  # what is made once, at the first use, is no finding
        waits = waits_of(trace(work, model))
        records.add(kind="sync", case=case.name, steps=case.steps, variant=name, calls=len(waits["inside"]), **waits)
