"""`run`: all variants of one case, shuffled anew in every repetition, so that ratios can be paired within it."""

from __future__ import annotations

import random
import time
from dataclasses import replace
from pathlib import Path

import torch

from lab.benchmarks.cases import Case, Workload, workload
from lab.benchmarks.records import Record, Records, read
from lab.benchmarks.timing import MIB, Sample, bytes_held, load, timed
from lab.benchmarks.variants import NONE, UNPATCHED, VARIANTS, variants


def finished(records: list[Record], case: Case) -> set[int]:
    """The repetitions of which every variant was sampled."""
    samples = [(r["repetition"], r["variant"]) for r in records if r["kind"] == "sample" and r["case"] == case.name]
    return {n for n in {n for n, _ in samples} if {v for m, v in samples if m == n} == set(VARIANTS)}


def shuffled(repetition: int) -> list[str]:
    """The variants in an order of their own for each repetition, the same in every run of it."""
    return random.Random(repetition).sample(VARIANTS, len(VARIANTS))


def run(case: Case, repetitions: int, out: Path, budget: float) -> bool:
    """Sample what is missing in `out`; whether the variant without an active step was bit-identical throughout."""
    began, longest = time.monotonic(), 0.0
    before = read(out)
    done = finished(before, case)
    keep = [r for r in before if r["kind"] == "machine" or r.get("repetition") in done]
    with Records(out, keep) as records:
        work = workload(case)
        load(work.model)
        baseline = bytes_held()
        records.add("case", case=case.name, steps=case.steps, weights_bytes=baseline)
        warm_up(work, short=repetitions == 1)
        for repetition in (n for n in range(repetitions) if n not in done):
            started = time.monotonic()
            if started - began + longest > budget:
                print(f"{case.name}: stopped after {time.monotonic() - began:.0f} s, before repetition {repetition}")
                break
            records_of_one(records, work, repetition, baseline)
            longest = max(longest, time.monotonic() - started)
    return all(r["value"] for r in read(out) if r["kind"] == "identical")


def sampled(work: Workload, variant: str, baseline: int = 0) -> Sample:
    """One sample of a variant made for it: the host's own SAG keeps its last map as long as its MODEL lives."""
    return timed(work, variants(work.model, work.case.steps, (variant,))[variant], baseline)


def warm_up(work: Workload, short: bool) -> None:
    """Each variant once, for one step where a whole sample is all that will be timed."""
    if short:
        work = replace(work, case=replace(work.case, steps=1))
    for variant in VARIANTS:
        sampled(work, variant)


def records_of_one(records: Records, work: Workload, repetition: int, baseline: int) -> None:
    """One repetition: its samples, and whether sampling with no active step gave the very same latent."""
    latents: dict[str, torch.Tensor | None] = {}
    for place, variant in enumerate(shuffled(repetition)):
        sample = sampled(work, variant, baseline)
        latents[variant] = sample.latent
        finite = None if sample.latent is None else bool(sample.latent.isfinite().all())
        records.add("sample", case=work.case.name, steps=work.case.steps, repetition=repetition, place=place,
                    variant=variant, seconds=sample.seconds, calls=sample.calls, peak_bytes=sample.peak,
                    finite=finite)  # fmt: skip
        print(f"{work.case.name} {repetition:2} {variant:9} {shown(sample)}", flush=True)
    plain, none = latents[UNPATCHED], latents[NONE]
    same = plain is not None and none is not None and torch.equal(plain, none)
    records.add("identical", case=work.case.name, repetition=repetition, value=same)


def shown(sample: Sample) -> str:
    if sample.seconds is None:
        return "out of memory"
    peak = "" if sample.peak is None else f"{sample.peak / MIB:9.1f} MiB"
    return f"{1000 * sample.seconds:9.1f} ms {sample.calls:3} calls {peak}"
