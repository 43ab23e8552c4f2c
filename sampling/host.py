"""Every difference between the versions of ComfyUI that this pack runs on, from April 2024 to today.

    0.3.7   wrappers tell when prompts are evaluated; a run copies the MODEL's options; every prompt has a uuid
    0.3.11  a run tells its schedule (sample_sigmas)
    0.3.28  an attention is told the shape of its activations (activations_shape)
    0.3.51  wrappers in model_options stay there during a run
    0.3.60  attention backends take transformer_options

What is missing is asked for by name, never by a version's number.
"""

from __future__ import annotations

import functools
import importlib.util
import inspect
import uuid
from collections.abc import Callable
from typing import Any

import torch

from .post_cfg import PostCfg

RUN = "sag_delayed_activation run"  # the key of a run's dict


@functools.cache
def wrappers_exist() -> bool:
    """Whether the host, 0.3.7 or newer, tells when it evaluates prompts, which ones, and in which run."""
    return importlib.util.find_spec("comfy.patcher_extension") is not None


@functools.cache
def options_keep_wrappers() -> bool:
    """Whether a run of the host, 0.3.51 or newer, keeps the wrappers that stand in `model_options`.

    From 0.3.7 on, a run replaced them by the ModelPatcher's own. The change came with context windows.
    """
    return importlib.util.find_spec("comfy.context_windows") is not None


def wrap_evaluations(model: Any, key: str, wrapper: Callable[..., list[torch.Tensor]]) -> None:
    """Let `wrapper` run around every evaluation of prompts on `model`, where the host has wrappers."""
    if not wrappers_exist():
        return
    from comfy.patcher_extension import WrappersMP, add_wrapper_with_key

    kind = WrappersMP.CALC_COND_BATCH
    # On the patcher only where there is no other way: a wrapper there makes the host reload the model
    # (clone_has_same_weights counts them).
    if options_keep_wrappers():
        add_wrapper_with_key(kind, key, wrapper, model.model_options, is_model_options=True)
    else:
        model.add_wrapper_with_key(kind, key, wrapper)


def evaluation_scope(transformer_options: dict[str, Any], sigma: torch.Tensor) -> dict[str, Any]:
    """A dict that lives at least as long as one evaluation, and at most as long as its run.

    Before 0.3.7 options outlive the run. There the sigma tensor carries the dict: the host makes a new one for each
    evaluation, and hands the same one to every hook.
    """
    return transformer_options if wrappers_exist() else vars(sigma)


def run_scope(post: PostCfg) -> dict[str, Any]:
    """A dict that lives just as long as the sampling run.

    It lies in the MODEL's options: a run copies them with the dicts in them, while a shallow copy for every
    evaluation, as AnimateDiff-Evolved makes it, hands on the dicts in them. Before 0.3.7 the MODEL's own options are
    handed out, and outlive the run. There the positive prompt's conditioning, new for every run, carries the dict.
    """
    if wrappers_exist():
        return post.model_options.setdefault(RUN, {})
    conditioning = next(iter(post.cond[0]["model_conds"].values()))
    return vars(conditioning).setdefault(RUN, {})


def run_schedule(transformer_options: dict[str, Any]) -> torch.Tensor | None:
    """The sigmas of the run's schedule, [steps + 1]; None before 0.3.11."""
    return transformer_options.get("sample_sigmas")


def prompt_ids(attention_options: dict[str, Any]) -> list[uuid.UUID | None]:
    """Which prompts an attention's rows belong to; before 0.3.7 prompts have no names."""
    return attention_options.get("uuids", [None] * len(attention_options["cond_or_uncond"]))


def token_grid(attention_options: dict[str, Any], tokens: int) -> tuple[int, int]:
    """Rows and columns of an attention's tokens.

    Before 0.3.28 the host does not say them; there a UNet halves each side, rounding up, until `tokens` are left.
    """
    if "activations_shape" in attention_options:
        rows, columns = attention_options["activations_shape"][-2:]
        return rows, columns
    rows, columns = attention_options["original_shape"][-2:]
    while rows * columns > tokens:
        rows, columns = (rows + 1) // 2, (columns + 1) // 2
    return rows, columns


def host_attention(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, attention_options: dict[str, Any]
) -> torch.Tensor:
    """The host's own attention backend, with the arguments that the host would have passed."""
    from comfy.ldm.modules import attention as host

    backend = host.optimized_attention  # looked up when called: packs may swap it
    known = known_arguments(backend)
    offered = {"attn_precision": attention_options.get("attn_precision"), "transformer_options": attention_options}
    return backend(q, k, v, attention_options["n_heads"], **{name: offered[name] for name in offered if name in known})


def known_arguments(backend: Callable[..., torch.Tensor]) -> tuple[str, ...]:
    """Which of the arguments that came to ComfyUI over time this attention backend takes."""
    return read_signature(backend)


torch.compiler.assume_constant_result(known_arguments)  # torch.compile takes its answer and does not look inside


@functools.cache
def read_signature(backend: Callable[..., torch.Tensor]) -> tuple[str, ...]:
    """The names of a backend's arguments; all that came over time, where it takes any."""
    parameters = inspect.signature(backend).parameters
    if any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values()):
        return "attn_precision", "transformer_options"
    return tuple(parameters)
