"""What the device says of itself, and samples that are timed. The only room that tells a GPU from a CPU.

`run`: all variants of one case, shuffled anew in every repetition, so that ratios can be paired within it.
"""

from __future__ import annotations

import gc
import platform
import random
import re
import time
from pathlib import Path
from typing import Any

import torch
from torch.utils import collect_env

from lab.benchmarks.cases import NONE, UNPATCHED, VARIANTS, Case, Workload, workload
from lab.records import Records


def cuda() -> bool:
    return torch.cuda.is_available()


def synchronize() -> None:
    if cuda():
        torch.cuda.synchronize()


def load(model: Any) -> None:
    """Make `model` the host's current one, so that switching to it is not timed, and drop what nobody needs."""
    import comfy.model_management

    comfy.model_management.load_models_gpu([model])
    gc.collect()


def time_sample(work: Workload, model: Any, baseline: int = 0) -> tuple[torch.Tensor | None, dict[str, Any]]:
    """One sample of `work` with `model`, from an idle device until the latent is on the CPU, and what is known of it.

    No latent and no time where memory did not suffice. The peak is above `baseline`; a CPU counts none.
    """
    load(model)
    calls: list[None] = []
    counter = model.model.diffusion_model.register_forward_pre_hook(lambda *_: calls.append(None))
    if cuda():
        torch.cuda.reset_peak_memory_stats()
    synchronize()
    begin = time.perf_counter()
    try:
        latent = work.sample(model)
        synchronize()
        seconds, finite = time.perf_counter() - begin, bool(latent.isfinite().all())
    except torch.OutOfMemoryError:
        latent = seconds = finite = None
    finally:
        counter.remove()
    if latent is None:
        torch.cuda.empty_cache()  # only now: while the error is handled, it holds what ran out
    peak = torch.cuda.max_memory_allocated() - baseline if cuda() else None
    return latent, {"seconds": seconds, "calls": len(calls), "peak_bytes": peak, "finite": finite}


def machine() -> dict[str, str]:
    """What a reader needs to place the figures."""
    from comfyui_version import __version__ as comfyui

    facts = {"device": torch.cuda.get_device_name() if cuda() else processor(), "torch": torch.__version__}
    if cuda():
        driver = collect_env.get_nvidia_driver_version(collect_env.run)
        facts |= {"cuda": str(torch.version.cuda), "driver": str(driver)}
    return {**facts, "python": platform.python_version(), "comfyui": comfyui}


def processor() -> str:
    facts = Path("/proc/cpuinfo")
    name = re.search(r"model name\s*: (.*)", facts.read_text()) if facts.exists() else None
    return f"{name[1] if name else platform.machine()}, {torch.get_num_threads()} threads"


def run(records: Records, case: Case, reps: int, ends: float) -> None:
    """The repetitions that are not there yet; none is begun after `ends`."""
    work = workload(case)
    load(work.model)
    baseline = torch.cuda.memory_allocated()
    warm_up = work.of_one_step() if reps == 1 else work  # a whole sample is long where only one is timed
    for name in VARIANTS:
        time_sample(warm_up, warm_up.variant(name))
    done = {r["repetition"] for r in records.rows if r["kind"] == "identical" and r["case"] == case.name}
    for repetition in sorted(set(range(reps)) - done):
        if time.monotonic() < ends:
            repeat(records, work, repetition, baseline)


def repeat(records: Records, work: Workload, repetition: int, baseline: int) -> None:
    """Every variant once, and whether sampling with no active step gave the very same latent."""
    which, latents = {"case": work.case.name, "repetition": repetition}, {}
    for name in random.Random(repetition).sample(VARIANTS, len(VARIANTS)):
        # Made for this sample: the host's own SAG keeps its last map as long as its MODEL lives
        latents[name], found = time_sample(work, work.variant(name), baseline)
        records.add(kind="sample", **which, steps=work.case.steps, variant=name, **found)
    plain, none = latents[UNPATCHED], latents[NONE]
    same = plain is not None and none is not None and torch.equal(plain, none)
    records.add(kind="identical", **which, value=same)
