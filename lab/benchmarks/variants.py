"""The ways in which a case is sampled, each made of the plain MODEL."""

from __future__ import annotations

from typing import Any

from lab.benchmarks.cases import SAMPLER, SCHEDULER
from lab.loading import load_pack

UNPATCHED, LIMIT, HOST, ALL, NONE, HALF = VARIANTS = ("unpatched", "limit", "host", "all", "none", "half")
SCALE, BLUR = 0.5, 2.0  # the defaults of this pack and of the host's own node


def variant(name: str, model: Any, steps: int) -> Any:
    """The variant of that name as a MODEL of its own, which shares the weights of `model`."""
    if name == UNPATCHED:
        return model.clone()
    if name == LIMIT:
        return with_bare_call(model)
    if name == HOST:
        return with_host_sag(model)
    return with_pack(model, steps, {ALL: steps, NONE: 0, HALF: steps // 2}[name])


def with_bare_call(model: Any) -> Any:
    """The limit: the negative is evaluated once more in every step, and nothing is done with it."""
    import comfy.samplers

    def once_more(args: dict[str, Any]) -> Any:
        conds = [None, args["uncond"]]
        comfy.samplers.calc_cond_batch(args["model"], conds, args["input"], args["sigma"], args["model_options"])
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
