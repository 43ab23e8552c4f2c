"""Schedules and sigmas as the host itself makes them, for a MODEL."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ..sigma_window import GUIDANCE_INTERVAL, LATE_SHARE, steps_of

if TYPE_CHECKING:
    from comfy.model_patcher import ModelPatcher


def schedule_of(model: ModelPatcher, scheduler: str, steps: int, denoise: float, sampler_name: str) -> torch.Tensor:
    """The sigmas of the host's KSampler, float32 [n + 1] on the CPU, n mostly `steps`; ValueError if there are none."""
    import comfy.samplers

    cpu = torch.device("cpu")
    sigmas: torch.Tensor = comfy.samplers.KSampler(model, steps, cpu, sampler_name, scheduler, denoise).sigmas
    if not steps_of(sigmas.tolist()) or not sigmas.isfinite().all():
        raise ValueError(f"the host has no schedule for scheduler={scheduler}, steps={steps}, denoise={denoise}")
    return sigmas


def percent_to_sigma(model_sampling: Any, percent: float) -> float:
    """The sigma that start_percent and end_percent of other nodes mean; infinite at 0, so above every first step."""
    return math.inf if percent <= 0 else float(model_sampling.percent_to_sigma(percent))


def percents_of(model_sampling: Any) -> list[float]:
    """The sigmas at the percents 0.00, 0.01, ... 1.00, with the model's largest and smallest at the two ends."""
    between = [percent_to_sigma(model_sampling, hundredth / 100) for hundredth in range(1, 100)]
    return [float(model_sampling.sigma_max), *between, float(model_sampling.sigma_min)]


def percents_of_table(model_sampling: Any) -> list[float] | None:
    """The same, read at once off the model's table of sigmas: to ask for each percent would wait for the GPU each time.

    None if the model has no such table, since no run shall fail by what is only shown.
    """
    try:
        with np.errstate(all="ignore"):
            logs = np.log(model_sampling.sigmas.tolist())
        percents = np.exp(np.interp(np.linspace(len(logs) - 1, 0, 101), np.arange(len(logs)), logs))
    except Exception:
        return None
    return percents.tolist() if np.isfinite(percents).all() else None


def preset_bounds(model_sampling: Any, preset: str) -> tuple[float, float]:
    """Highest and lowest sigma of the preset: `all`, `late` or the interval."""
    late = LATE_SHARE * float(model_sampling.sigma_max)
    return {"all": (math.inf, 0.0), "late": (late, 0.0)}.get(preset, GUIDANCE_INTERVAL)
