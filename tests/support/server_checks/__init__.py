"""A pack for the tests: a UNet call that fails as asked for, what was sampled, to the bit, and what is still held."""

from __future__ import annotations

import gc
import hashlib
import itertools
from typing import Any

import torch
from comfy import model_management

KINDS = ["out of memory", "exception", "interrupt", "nan"]


class Fault:
    """The MODEL whose n-th UNet call, from 1, fails; a sampler's calls and a post-CFG node's own alike."""

    CATEGORY, FUNCTION, RETURN_TYPES = "tests", "break_it", ("MODEL",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {"model": ("MODEL",), "kind": (KINDS,), "call": ("INT", {"default": 1, "min": 1})}}

    @classmethod
    def IS_CHANGED(cls, **_: Any) -> float:
        return float("nan")  # never equal to itself: every prompt counts from 1

    def break_it(self, model: Any, kind: str, call: int) -> tuple[Any]:
        numbers = itertools.count(1)

        def failing(apply_model: Any, args: dict[str, Any]) -> torch.Tensor:
            output = apply_model(args["input"], args["timestep"], **args["c"])
            return broken(kind, output) if next(numbers) == call else output

        patched = model.clone()
        patched.set_model_unet_function_wrapper(failing)
        return (patched,)


def broken(kind: str, output: torch.Tensor) -> torch.Tensor:
    if kind == "out of memory":
        raise model_management.OOM_EXCEPTION("Allocation on device")
    if kind == "exception":
        raise RuntimeError("broken on purpose")
    if kind == "interrupt":  # as the page's button does, and the host's own look for it
        model_management.interrupt_current_processing()
        model_management.throw_exception_if_processing_interrupted()
    return output * float("nan")


class Digest:
    """SHA-256 of a LATENT's samples."""

    CATEGORY, FUNCTION, RETURN_TYPES, OUTPUT_NODE = "tests", "digest", (), True

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {"samples": ("LATENT",)}}

    def digest(self, samples: dict[str, Any]) -> dict[str, Any]:
        content = samples["samples"].contiguous().numpy().tobytes()
        return {"ui": {"digest": [hashlib.sha256(content).hexdigest()]}}


class Held:
    """What Python holds once its garbage is gone: tensors, the bytes of their numbers, and objects of a pack's own."""

    CATEGORY, FUNCTION, RETURN_TYPES, OUTPUT_NODE = "tests", "count", (), True

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {"pack": ("STRING", {})}, "optional": {"model": ("MODEL",)}}  # which is held meanwhile

    @classmethod
    def IS_CHANGED(cls, **_: Any) -> float:
        return float("nan")

    def count(self, pack: str, model: Any = None) -> dict[str, Any]:
        gc.collect()
        objects = gc.get_objects()
        tensors = [item for item in objects if issubclass(type(item), torch.Tensor)]
        numbers = sum(tensor.untyped_storage().nbytes() for tensor in tensors)
        own = sum(pack in str(type(item).__module__) for item in objects)
        return {"ui": {"tensors": [len(tensors)], "bytes": [numbers], "own": [own]}}


NODE_CLASS_MAPPINGS = {"SAG tests: fault": Fault, "SAG tests: digest": Digest, "SAG tests: held": Held}
