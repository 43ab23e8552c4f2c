"""One timed sample, and what the device says of itself. The only room that tells a GPU from a CPU."""

from __future__ import annotations

import gc
import itertools
import platform
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch.utils import collect_env


class Sample(NamedTuple):
    latent: torch.Tensor | None  # None where memory did not suffice
    seconds: float | None
    calls: int  # of the UNet
    peak: int | None  # bytes above `baseline`; None on the CPU, which does not count


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


def time_sample(workload: Any, model: Any, baseline: int = 0) -> Sample:
    """One sample of `workload` with `model`, from an idle device until the latent is on the CPU."""
    load(model)
    calls: list[None] = []
    counter = model.model.diffusion_model.register_forward_pre_hook(lambda *_: calls.append(None))
    if cuda():
        torch.cuda.reset_peak_memory_stats()
    synchronize()
    begin = time.perf_counter()
    try:
        latent = workload.sample(model)
        synchronize()
        seconds = time.perf_counter() - begin
    except torch.OutOfMemoryError:
        latent, seconds = None, None
    finally:
        counter.remove()
    if latent is None:
        torch.cuda.empty_cache()  # only now: while the error is handled, it holds what ran out
    return Sample(latent, seconds, len(calls), torch.cuda.max_memory_allocated() - baseline if cuda() else None)


def median_seconds(work: Callable[..., Any], inputs: Sequence[tuple], budget: float = 1.0) -> float:
    """Median time of `work(*one)`. The inputs take turns, so that none is still in the cache."""
    from torch.utils import benchmark  # not above: where there is no GPU it says so on the console

    names = {"work": work, "turns": itertools.cycle(inputs)}
    timer = benchmark.Timer("work(*next(turns))", globals=names, num_threads=torch.get_num_threads())
    return timer.blocked_autorange(min_run_time=budget).median


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
