"""Which sigmas hold which steps: from a schedule to the window that holds just the steps asked for, and back.

A schedule is a falling list of sigmas whose last one, 0, is where sampling ends and no step. Steps count from 0, as in
the host's KSampler (Advanced), and a `range` of them stops before its end. Functions that take a list are plain
arithmetic; those that take a MODEL or its model_sampling ask the host, so that schedules are always its own.
"""

from __future__ import annotations

import math
from typing import Any

from .sag_core import UNBOUNDED_SIGMA, SigmaWindow

MARGIN = 0.25  # of the log gap to the next step: samplers of second order evaluate at a half of it or at its end
LONE_GAP = math.log(2)  # log gap of a schedule of one step, which has no neighbour to measure
SAME = 1e-6  # relative difference at which two float32 sigmas count as the same
LATE = 0.25  # of sigma_max
INTERVAL = (5.42, 0.28)  # Kynkäänniemi et al., arXiv 2404.07724
DECIMALS = 2  # of the SAG nodes' widgets
ENOUGH_DECIMALS = 17  # more than a float has


def schedule_of(model: Any, scheduler: str, steps: int, denoise: float, sampler_name: str) -> Any:
    """The sigmas that the host's KSampler takes, float32 [steps + 1] on the CPU; ValueError where it has none."""
    import comfy.samplers
    import torch

    cpu = torch.device("cpu")
    sigmas = comfy.samplers.KSampler(model, steps, cpu, sampler_name, scheduler, denoise).sigmas
    if not steps_of(sigmas.tolist()) or not sigmas.isfinite().all():
        raise ValueError(f"the host has no schedule for scheduler={scheduler}, steps={steps}, denoise={denoise}")
    return sigmas


def steps_of(sigmas: list[float]) -> list[float]:
    """The sigmas at which a step begins: all but the last of the schedule."""
    return sigmas[:-1]


def asked_by_step(sigmas: list[float], start: int, end: int) -> range:
    """The steps from `start` up to, not including, `end`, as far as the schedule goes."""
    return range(start, min(end, len(steps_of(sigmas))))


def asked_by_sigma(sigmas: list[float], high: float, low: float) -> range:
    """The steps with `low <= sigma <= high`, both inclusive."""
    inside = [i for i, s in enumerate(steps_of(sigmas)) if low * (1 - SAME) <= s <= high * (1 + SAME)]
    return range(inside[0], inside[-1] + 1) if inside else range(0)


def percent_to_sigma(model_sampling: Any, percent: float) -> float:
    """The host's, as start_percent and end_percent of other nodes mean it; 0 is the start, whatever its sigma."""
    return math.inf if percent <= 0 else float(model_sampling.percent_to_sigma(percent))


def percents_of(model_sampling: Any) -> list[float]:
    """The sigmas at 0.00, 0.01, ... 1.00 of the way, with the largest and the smallest at its ends."""
    between = [percent_to_sigma(model_sampling, hundredth / 100) for hundredth in range(1, 100)]
    return [float(model_sampling.sigma_max), *between, float(model_sampling.sigma_min)]


def preset_bounds(model_sampling: Any, preset: str) -> tuple[float, float]:
    """Highest and lowest sigma of `all`, `late` or the interval."""
    late = LATE * float(model_sampling.sigma_max)
    return {"all": (math.inf, 0.0), "late": (late, 0.0)}.get(preset, INTERVAL)


def window_around(sigmas: list[float], active: range) -> SigmaWindow:
    """The window that holds just the `active` steps; ValueError where there is none.

    Each bound lies a quarter of the log gap outside the outermost active step. Above the first step of the schedule
    stands no other, so the gap below it is taken. Below the last stands 0, an infinite gap away, so the bound is 0.
    """
    steps = steps_of(sigmas)
    first, last = steps[active[0]], steps[active[-1]]
    if active[0] > 0:
        upper = first * (steps[active[0] - 1] / first) ** MARGIN
    else:
        upper = first * math.exp(MARGIN * (math.log(first / steps[1]) if len(steps) > 1 else LONE_GAP))
    is_last = active[-1] == len(steps) - 1
    lower = 0.0 if is_last else last * (steps[active[-1] + 1] / last) ** MARGIN
    below_unbounded = min(upper, math.nextafter(UNBOUNDED_SIGMA, 0))  # 1000 would let in the steps above, too
    for window in (SigmaWindow(upper, lower), SigmaWindow(below_unbounded, lower)):
        if held_by(sigmas, window) == list(active):
            return window
    steps_asked = f"steps {active[0]} to {active[-1]} (sigma {first:.6g} to {last:.6g})"
    if first >= UNBOUNDED_SIGMA and active[0] > 0:
        raise ValueError(
            f"no window can begin at {steps_asked}: a sigma_start of 1000 or more means no upper bound. "
            "Begin at step 0, or at a sigma below 1000"
        )
    raise ValueError(f"no window holds {steps_asked} alone: a neighbouring step has the same sigma")


def held_by(sigmas: list[float], window: SigmaWindow) -> list[int]:
    """The steps of the schedule that the window holds."""
    return [i for i, sigma in enumerate(steps_of(sigmas)) if sigma in window]


def typed(sigmas: list[float], window: SigmaWindow) -> tuple[str, str]:
    """Start and end of the window as a user may type them: rounded to 0.01 where that holds the same steps.

    Elsewhere with the digits it needs and the word "link", since the widgets show no more than two decimals.
    """
    held = held_by(sigmas, window)

    def shortest(bound: float, rounded: Any) -> str:
        enough = (d for d in range(DECIMALS, ENOUGH_DECIMALS) if held_by(sigmas, rounded(round(bound, d))) == held)
        decimals = next(enough, ENOUGH_DECIMALS)
        text = f"{bound:.{decimals}f}".rstrip("0").rstrip(".")
        return text if decimals == DECIMALS else f"{text} (link)"

    # The widget ends at 1000, which means no upper bound.
    start = shortest(min(window.start, UNBOUNDED_SIGMA), lambda value: SigmaWindow(value, window.end))
    return start, shortest(window.end, lambda value: SigmaWindow(window.start, value))
