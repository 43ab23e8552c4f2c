"""Every difference between the versions of ComfyUI that this pack runs on, from April 2024 to today.

    0.3.7   wrappers tell when prompts are evaluated, and what a run is given and gives; a run copies the MODEL's
            options; every prompt has a uuid
    0.3.28  an attention is told the shape of its activations (activations_shape)
    0.3.51  wrappers in model_options stay there during a run
    0.3.60  attention backends take transformer_options
    0.40    a checkpoint may choose the backend of each attention (comfy_attention)

What is missing is asked for by name, never by a version's number.
"""

from __future__ import annotations

import functools
import importlib.util
import inspect
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from .host_types import Attention, AttentionOptions, ModelOptions, ModelPatcher, Prompt, Transformer, TransformerOptions
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


def add_wrappers(
    model: ModelPatcher,
    key: str,
    around_run: Callable[..., Any],
    around_evaluation: Callable[..., Any],
    around_unet_call: Callable[..., Any],
) -> None:
    """Let these run around each sampling run, evaluation of prompts and UNet call of `model`, if the host can."""
    if not wrappers_exist():
        return
    from comfy.patcher_extension import WrappersMP, add_wrapper_with_key

    for kind, wrapper in (
        (WrappersMP.OUTER_SAMPLE, around_run),
        (WrappersMP.CALC_COND_BATCH, around_evaluation),
        (WrappersMP.APPLY_MODEL, around_unet_call),
    ):
        # On the patcher only where there is no other way: a wrapper there makes the host reload the model
        # (clone_has_same_weights counts them).
        if options_keep_wrappers():
            add_wrapper_with_key(kind, key, wrapper, model.model_options, is_model_options=True)
        else:
            model.add_wrapper_with_key(kind, key, wrapper)


def evaluation_scope(transformer_options: TransformerOptions, sigma: torch.Tensor) -> dict[str, Any]:
    """A dict that lives at least as long as one evaluation, and at most as long as its run.

    Before 0.3.7 options outlive the run. There the sigma tensor carries the dict: the host makes a new one for each
    evaluation, and hands the same one to every hook.
    """
    return transformer_options if wrappers_exist() else vars(sigma)


class RunScope:
    """What the nodes of one run keep. No dict, since copies of the run's options must hand on this very one."""

    def __init__(self) -> None:
        self.entries: dict[str, Any] = {}


def begin_run(model_options: ModelOptions) -> RunScope:
    """The scope of the run whose own options these are; the first of its nodes makes it."""
    if not isinstance(model_options.get(RUN), RunScope):
        model_options[RUN] = RunScope()
    return model_options[RUN]


def run_scope(post: PostCfg) -> dict[str, Any]:
    """A dict that lives just as long as the sampling run.

    Where nobody said that a run begins, it lies in the MODEL's options: a run copies them with the dicts in them,
    while a shallow copy for every evaluation, as AnimateDiff-Evolved makes it, hands on the dicts in them. Before
    0.3.7 the MODEL's own options are handed out, and outlive the run. There the positive prompt's conditioning, new
    for every run, carries the dict.
    """
    if wrappers_exist():
        scope = post.model_options.setdefault(RUN, {})
        return scope.entries if isinstance(scope, RunScope) else scope
    first: Prompt = post.cond[0]
    conditioning = next(iter(first["model_conds"].values()))
    return vars(conditioning).setdefault(RUN, {})


def prompt_id(prompt: Prompt) -> uuid.UUID | None:
    """The prompt's name; None before 0.3.7."""
    return prompt.get("uuid")


def renamed(prompt: Prompt, by: str) -> Prompt:
    """The prompt under a name of its own, the same for the same `by`."""
    return {**prompt, "uuid": uuid.uuid5(prompt["uuid"], by)} if "uuid" in prompt else prompt


def prompt_ids(attention_options: AttentionOptions) -> list[uuid.UUID | None]:
    """Which prompts an attention's rows belong to; None for each before 0.3.7."""
    return attention_options.get("uuids", [None] * len(attention_options["cond_or_uncond"]))


def activations_shape(attention_options: AttentionOptions) -> Sequence[int] | None:
    """[B, C, rows, columns] of an attention's tokens; None before 0.3.28."""
    return attention_options.get("activations_shape")


def token_grid(activations: Sequence[int] | None, latent: Sequence[int], tokens: int) -> tuple[int, int]:
    """Rows and columns of an attention's tokens, of the shapes of its activations and of the latent.

    Without the first, a UNet is taken to halve each side, rounding up, until `tokens` are left.
    """
    if activations is not None:
        rows, columns = activations[-2:]
        return rows, columns
    rows, columns = latent[-2:]
    while rows * columns > tokens:
        rows, columns = (rows + 1) // 2, (columns + 1) // 2
    return rows, columns


@dataclass(frozen=True)
class HostAttention:
    """The host's own attention in a block, as a replace: with the arguments that the host would have passed."""

    chosen: tuple[Any, ...]  # by transformer: the backend that the checkpoint asks for there, before 0.40 None

    @classmethod
    def of(cls, transformers: list[Transformer]) -> HostAttention:
        """That of these transformers of one block. A replace stands in their attention's place, and is told of none."""
        return cls(tuple(chosen_backend(transformer.attn1) for transformer in transformers))

    def __deepcopy__(self, _: dict[int, Any]) -> HostAttention:
        """Clones of a MODEL share it: a copy would not hear of it when the checkpoint's weights are loaded anew."""
        return self

    def __call__(
        self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, attention_options: AttentionOptions
    ) -> torch.Tensor:
        from comfy.ldm.modules import attention as host

        backend = host.optimized_attention  # looked up when called: packs may swap it
        known = known_arguments(backend)
        offered = {"attn_precision": attention_options.get("attn_precision"), "transformer_options": attention_options}
        passed = {name: offered[name] for name in offered if name in known}
        index = attention_options.get("block_index", 0)
        # A guider on two models lends this model's patches to the other one, which may be deeper.
        chosen = self.chosen[index] if index < len(self.chosen) else None
        if chosen is not None:
            passed.update(preferred_attention=chosen)
        return backend(q, k, v, attention_options["n_heads"], **passed)


def chosen_backend(attention: Attention) -> Any:
    """The backend that the checkpoint asks for in this attention; None where it asks for none."""
    return getattr(attention, "comfy_attention", None)


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
