"""The node that answers "which sigmas do I type": its inputs, their tooltips and their checks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .checks import Taken, is_finite, refusal
from .sampling.schedule import percent_to_sigma, percents_of, preset_bounds, schedule_of
from .sigma_window import (
    bounds_to_type,
    last_third,
    steps_by_number,
    steps_by_sigma,
    window_around,
    with_inner_evaluations,
)

if TYPE_CHECKING:
    from comfy.model_patcher import ModelPatcher

NAME = "SAG sigma window"
CUSTOM, ALL, LATE = "custom", "all", "late"
INTERVAL = "interval 0.28 to 5.42"
LAST_THIRD = "last third"
PRESETS = [CUSTOM, ALL, LATE, INTERVAL, LAST_THIRD]
STEP, PERCENT = "step", "percent"
UNITS = [STEP, PERCENT]
MOST_STEPS = 10000  # the host's own limit; as `end` it means to the last step, whatever the unit
RANGES: dict[str, Taken] = {  # of start and end
    STEP: (0, MOST_STEPS, f"unit is {STEP}"),
    PERCENT: (0.0, 1.0, f"unit is {PERCENT}"),
}

ONCE_A_STEP = {  # samplers that evaluate the model at each step of the schedule, and nowhere else
    "euler", "euler_cfg_pp", "euler_ancestral", "euler_ancestral_cfg_pp", "lms", "dpmpp_2m", "dpmpp_2m_cfg_pp",
    "dpmpp_2m_sde", "dpmpp_2m_sde_gpu", "dpmpp_2m_sde_heun", "dpmpp_2m_sde_heun_gpu", "dpmpp_3m_sde",
    "dpmpp_3m_sde_gpu", "ddpm", "lcm", "ipndm", "ipndm_v", "deis", "res_multistep", "res_multistep_cfg_pp",
    "res_multistep_ancestral", "res_multistep_ancestral_cfg_pp", "gradient_estimation", "gradient_estimation_cfg_pp",
    "er_sde", "sa_solver", "ddim", "uni_pc", "uni_pc_bh2",
}  # fmt: skip
OWN_STEPS = ["dpm_adaptive", "dpm_fast"]  # of the schedule, these take the first and the last sigma alone


def window_error(preset: Any, unit: Any, start: Any, end: Any) -> str | None:
    """A sentence that names the first input whose value is wrong, and that value; None if all are right."""
    if wrong := refusal(NAME, {"preset": preset}, {"preset": PRESETS}):
        return wrong
    if preset != CUSTOM:
        return None  # the preset overrides the rest
    if wrong := refusal(NAME, {"unit": unit}, {"unit": UNITS}):
        return wrong
    bounds = {"start": start, "end": end}
    inside = {name: value for name, value in bounds.items() if not (is_finite(value) and value == MOST_STEPS)}
    if wrong := refusal(NAME, inside, dict.fromkeys(bounds, RANGES[unit])):
        return wrong
    if start >= end:
        return f"{NAME}: start must be below end, got start={start}, end={end}"
    return None


def schedule_error(values: dict[str, Any]) -> str | None:
    """A sentence that names the first input whose value makes no schedule, and that value; None if all are right."""
    import comfy.samplers

    taken: dict[str, Taken] = {
        "model": "MODEL", "scheduler": comfy.samplers.SCHEDULER_NAMES, "steps": (1, MOST_STEPS), "denoise": (0.0, 1.0),
        "sampler_name": comfy.samplers.SAMPLER_NAMES,
    }  # fmt: skip
    return refusal(NAME, values, taken)


class SAGSigmaWindow:
    """From steps, percents or a preset to the sigmas of a window, and a picture of it."""

    CATEGORY = "model_patches"
    FUNCTION = "find"
    RETURN_TYPES = ("FLOAT", "FLOAT", "SIGMAS", "IMAGE")
    RETURN_NAMES = ("sigma_start", "sigma_end", "sigmas", "plot")
    OUTPUT_TOOLTIPS = (
        "Upper end of the window. Wire it into sigma_start of a SAG node.",
        "Lower end of the window. Wire it into sigma_end of a SAG node.",
        "The schedule, for SamplerCustom and its like. KSampler makes the same one by itself.",
        "The schedule over its steps, the window shaded, the active steps marked. Wire it into Preview Image.",
    )
    DESCRIPTION = (
        "Which sigmas do I type? Choose the steps at which guidance should act, and get the window of noise levels "
        "that holds just those. Set scheduler, steps and denoise as in your sampler. The plot shows the numbers to "
        "type; where two decimals are too few it says link, and then wire the outputs. No promise for dpm_adaptive "
        "and dpm_fast, which choose their own steps."
    )
    SEARCH_ALIASES = ["SAG", "sigma", "percent to sigma", "step to sigma", "plot schedule", "guidance interval"]

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        import comfy.samplers

        place = {"min": 0.0, "max": float(MOST_STEPS), "step": 0.01, "round": False}
        return {
            "required": {
                "preset": (PRESETS, {"tooltip": (
                    "custom takes unit, start and end; the others ignore them. all: every step. late: sigma up to a "
                    "quarter of the model's largest. interval: sigma from 0.28 to 5.42, after Kynkäänniemi et al. "
                    "2024. last third: of the steps."
                )}),
                "unit": (UNITS, {"tooltip": (
                    "What start and end mean. step: steps of this schedule, counted from 0. percent: 0.0 to 1.0, as "
                    "start_percent and end_percent mean in other nodes, whatever the scheduler."
                )}),
                "start": ("FLOAT", {"default": 0.0, **place, "tooltip": (
                    "Where the window begins, inclusive: a step, or 0.0 to 1.0 where unit is percent."
                )}),
                "end": ("FLOAT", {"default": float(MOST_STEPS), **place, "tooltip": (
                    "Where the window ends. unit step: the first step that no longer acts, as in KSampler (Advanced). "
                    "unit percent: up to 1.0, inclusive. 10000 means to the last step in either."
                )}),
                "model": ("MODEL", {"tooltip": "The model that will be sampled. It decides what sigmas there are."}),
                "scheduler": (comfy.samplers.SCHEDULER_NAMES, {"tooltip": "The scheduler of your sampler."}),
                "steps": ("INT", {"default": 20, "min": 1, "max": MOST_STEPS, "tooltip": (
                    "The steps of your sampler. Some schedulers make more or fewer: ddim_uniform at 30 makes 31."
                )}),
                "denoise": ("FLOAT", {"default": 1.0, "min": 0.01, "max": 1.0, "step": 0.01, "tooltip": (
                    "The denoise of your sampler. Below 1 only the end of a longer schedule is taken."
                )}),
            },
            "optional": {
                "sampler_name": (comfy.samplers.SAMPLER_NAMES, {"tooltip": (
                    "Your sampler. It matters for dpm_2, dpm_2_ancestral, uni_pc and uni_pc_bh2, whose schedules "
                    "differ. No promise for dpm_adaptive and dpm_fast."
                ), "once_a_step": sorted(ONCE_A_STEP)}),  # for the page: web/js/sigma_window.js
            },
        }  # fmt: skip

    def find(
        self,
        preset: str,
        unit: str,
        start: float,
        end: float,
        model: ModelPatcher,
        scheduler: str,
        steps: int,
        denoise: float,
        sampler_name: str = "euler",
    ) -> dict[str, Any]:
        """The window's start and end, the schedule [n + 1] and its plot [1, h, w, 3]; under "ui", what runs.js reads.

        ValueError for values that are wrong, and if no window holds just the steps that are asked for.
        """
        from .pictures import (
            plot,  # here, since Pillow's drawing takes longer to import than the rest of the pack
        )

        made_of = {
            "model": model, "scheduler": scheduler, "steps": steps, "denoise": denoise, "sampler_name": sampler_name,
        }  # fmt: skip
        if wrong := window_error(preset, unit, start, end) or schedule_error(made_of):
            raise ValueError(wrong)
        try:
            schedule = schedule_of(model, scheduler, int(steps), denoise, sampler_name)
            sigmas, model_sampling = schedule.tolist(), model.get_model_object("model_sampling")
            active = requested_steps(sigmas, model_sampling, preset, unit, start, end)
            window = window_around(sigmas, active)
        except ValueError as problem:
            raise ValueError(f"{NAME}: {problem}") from problem
        evaluated = sigmas if sampler_name in ONCE_A_STEP else with_inner_evaluations(sigmas)
        picture = plot(
            sigmas,
            window,
            active,
            title(len(active), len(sigmas) - 1, sampler_name),
            bounds_to_type(evaluated, window),
            subtitle(scheduler, steps, denoise, sampler_name),
        )
        shown = {
            "sigmas": sigmas, "active": [active[0], active[-1]], "percents": percents_of(model_sampling),
            "scheduler": scheduler, "steps": steps, "denoise": denoise, "sampler_name": sampler_name,
        }  # fmt: skip
        return {"ui": {"sag_window": [shown]}, "result": (window.start, window.end, schedule, picture)}


def requested_steps(
    sigmas: list[float], model_sampling: Any, preset: str, unit: str, start: float, end: float
) -> range:
    """The steps that the inputs ask for; ValueError if there are none."""
    if preset == LAST_THIRD:
        active = last_third(sigmas)
    elif preset != CUSTOM:
        active = steps_by_sigma(sigmas, *preset_bounds(model_sampling, preset))
    elif unit == STEP:
        active = steps_by_number(sigmas, int(start), int(end))
    else:
        bounds = (percent_to_sigma(model_sampling, percent) for percent in (start, end))
        active = steps_by_sigma(sigmas, *bounds)
    if not active:
        request = f"unit={unit}, start={start:g}, end={end:g}" if preset == CUSTOM else f"preset={preset}"
        raise ValueError(
            f"{request} holds none of the {len(sigmas) - 1} steps of this schedule, "
            f"whose sigmas run from {sigmas[0]:.4g} to {sigmas[-2]:.4g}"
        )
    return active


def title(active: int, count: int, sampler_name: str) -> str:
    steps = f"{active} of {count} steps active"
    if sampler_name in OWN_STEPS:
        return f"{steps}, extra UNet calls unknown"
    few = "" if sampler_name in ONCE_A_STEP else "at least "
    calls = "call" if active == 1 else "calls"
    return f"{steps}, {few}{active} extra UNet {calls}"


def subtitle(scheduler: str, steps: int, denoise: float, sampler_name: str) -> str:
    parts = [sampler_name, scheduler, f"steps {steps}"]
    if denoise < 1:
        parts.append(f"denoise {denoise:g}")
    if sampler_name in OWN_STEPS:
        parts[0] += " (takes steps of its own)"
    return ", ".join(parts)
