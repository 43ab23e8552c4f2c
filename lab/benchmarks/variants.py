"""The ways in which a case is sampled, each a function from the plain MODEL to the one that is sampled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lab.benchmarks.cases import SAMPLER, SCHEDULER
from lab.loading import load_pack

UNPATCHED, LIMIT, HOST, ALL, NONE, HALF = VARIANTS = ("unpatched", "limit", "host", "all", "none", "half")
SCALE, BLUR = 0.5, 2.0  # the defaults of this pack and of the host's own node


def variants(model: Any, steps: int, names: tuple[str, ...] = VARIANTS) -> dict[str, Any]:
    """The named variants as MODELs, clones of `model` that share its weights."""
    makers: dict[str, Callable[[], Any]] = {
        UNPATCHED: model.clone,
        LIMIT: lambda: with_bare_call(model),
        HOST: lambda: with_host_sag(model),
        ALL: lambda: with_pack(model, steps, steps),
        NONE: lambda: with_pack(model, steps, 0),
        HALF: lambda: with_pack(model, steps, steps // 2),
    }
    return {name: makers[name]() for name in names}


def extra_calls(variant: str, steps: int) -> int:
    """UNet calls that a variant makes beyond one a step."""
    return {UNPATCHED: 0, NONE: 0, HALF: steps // 2}.get(variant, steps)


def with_bare_call(model: Any) -> Any:
    """The limit: the negative is evaluated once more in every step, and nothing is done with it."""
    import comfy.samplers

    def once_more(args: dict[str, Any]) -> Any:
        conds = [None, args["uncond"]]
        comfy.samplers.calc_cond_batch(args["model"], conds, args["input"], args["sigma"], args["model_options"])[1]
        return args["denoised"]

    patched = model.clone()
    patched.set_model_sampler_post_cfg_function(once_more)
    return patched


def with_host_sag(model: Any) -> Any:
    """ComfyUI's own Self-Attention Guidance, a node of its V3 interface."""
    from comfy_extras.nodes_sag import SelfAttentionGuidance

    return SelfAttentionGuidance.execute(model, SCALE, BLUR)[0]


def with_pack(model: Any, steps: int, active: int) -> Any:
    """This pack's node with a window that holds the last `active` of the steps, all or none of them included."""
    from sag_delayed_activation.sampling import schedule_of
    from sag_delayed_activation.sigma_window import window_around

    sigmas = schedule_of(model, SCHEDULER, steps, 1.0, SAMPLER).tolist()
    if active:
        window = window_around(sigmas, range(steps - active, steps))
        start, end = window.start, window.end
    else:
        start, end = sigmas[-2] / 2, 0.0  # below the last step's sigma
    return load_pack().NODE_CLASS_MAPPINGS["SAG delayed activation"]().patch(model, SCALE, BLUR, start, end)[0]
