"""One timed sample, and what the device says of itself. The only room that tells a GPU from a CPU."""

from __future__ import annotations

import gc
import platform
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

MIB = 2**20


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


def bytes_held() -> int:
    """Bytes in tensors on the GPU, once nothing is left that only awaits its collection."""
    gc.collect()
    return torch.cuda.memory_allocated() if cuda() else 0


def load(model: Any) -> None:
    """Make `model` the host's current one, so that switching to it is not timed."""
    import comfy.model_management

    comfy.model_management.load_models_gpu([model])


def timed(workload: Any, model: Any, baseline: int) -> Sample:
    """One sample of `workload` with `model`, from an idle device until the latent is on the CPU."""
    load(model)
    gc.collect()
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
    peak = torch.cuda.max_memory_allocated() - baseline if cuda() else None
    if latent is None:
        torch.cuda.empty_cache()
    return Sample(latent, seconds, len(calls), peak)


def median_seconds(work: Callable[..., Any], inputs: Sequence[tuple], budget: float = 1.0, at_least: int = 5) -> float:
    """Median time of `work(*one)` over the inputs in turn, for `budget` seconds, by CUDA's events on a GPU.

    Inputs are rotated, so that none is still in the cache; the first call of each is not counted.
    """
    for one in inputs:
        work(*one)
    synchronize()
    times: list[float] = []
    stop = time.perf_counter() + budget
    while len(times) < at_least or time.perf_counter() < stop:
        times.append(seconds_of(lambda: work(*inputs[len(times) % len(inputs)])))  # noqa: B023 (called at once)
    return statistics.median(times)


def seconds_of(work: Callable[[], Any]) -> float:
    if not cuda():
        begin = time.perf_counter()
        work()
        return time.perf_counter() - begin
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    begin.record()
    work()
    end.record()
    end.synchronize()
    return begin.elapsed_time(end) / 1000


def machine() -> dict[str, str]:
    """What a reader needs to place the figures."""
    from comfyui_version import __version__ as comfyui

    facts = {"device": torch.cuda.get_device_name() if cuda() else processor(), "torch": torch.__version__}
    if cuda():
        facts |= {"cuda": str(torch.version.cuda), "driver": driver()}
    return {**facts, "python": platform.python_version(), "comfyui": comfyui}


def processor() -> str:
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text().splitlines() if facts.exists() else []
    names = (line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    return f"{next(names, platform.machine())}, {torch.get_num_threads()} threads"


def driver() -> str:
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return "unknown"
    asked = [tool, "--query-gpu=driver_version", "--format=csv,noheader"]
    return subprocess.run(asked, capture_output=True, text=True).stdout.split("\n")[0].strip() or "unknown"
