"""The demo's graph as a server takes it: an API workflow, in which each node has a name of ours."""

from __future__ import annotations

from typing import Any

from demo_graph import BASIC, PREVIEW

DEFAULTS = {"scale": 0.5, "blur_sigma": 2.0, "sigma_start": 15.0, "sigma_end": 0.0}


def workflow(seed: int, sag: str = "sag", steps: int = 2, node: str = BASIC, **settings: Any) -> dict[str, Any]:
    """Model, the SAG node under the name `sag` with its settings, KSampler, and the finished picture."""
    return {
        "model": {"class_type": "SAG demo: model", "inputs": {}},
        "ten": {"class_type": "SAG demo: latent", "inputs": {}},
        "latent": {"class_type": "LatentFromBatch", "inputs": {"samples": ["ten", 0], "batch_index": 0, "length": 1}},
        sag: {"class_type": node, "inputs": {"model": ["model", 0], **DEFAULTS, **settings}},
        "sampler": {"class_type": "KSampler", "inputs": {
            "model": [sag, 0], "positive": ["model", 1], "negative": ["model", 2], "latent_image": ["latent", 0],
            "seed": seed, "steps": steps, "cfg": 2.0, "sampler_name": "euler", "scheduler": "normal", "denoise": 1.0}},
        "image": {"class_type": "SAG demo: image", "inputs": {"samples": ["sampler", 0]}},
        "shown": {"class_type": "PreviewImage", "inputs": {"images": ["image", 0]}},
    }  # fmt: skip


def preview(**more: Any) -> dict[str, Any]:
    """The mask preview at the end of a `workflow`, to be added to it."""
    inputs = {"model": ["sag", 0], "samples": ["sampler", 0], **more}
    return {"preview": {"class_type": PREVIEW, "inputs": inputs}}


def fault(kind: str, call: int, model: str = "sag") -> dict[str, Any]:
    """What fails in that UNet call, to be added to a `workflow` between `model` and a sampler that takes it."""
    return {"fault": {"class_type": "SAG tests: fault", "inputs": {"model": [model, 0], "kind": kind, "call": call}}}
