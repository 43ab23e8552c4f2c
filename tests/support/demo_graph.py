"""The demo's graphs for the page: nodes by a name of ours, with class, place and values; links by the slots' names."""

from __future__ import annotations

import itertools
from typing import Any

BASIC = "SAG delayed activation"
ADVANCED = "SAG delayed activation (advanced)"
WINDOW = "SAG sigma window"
PREVIEW = "SAG mask preview"

Nodes = dict[str, tuple[str, tuple[int, int], dict[str, Any]]]
Links = list[str]  # name.output > name.input

seeds = itertools.count()  # one for each graph: the host's cache answers none for another


def sampled(kind: str = BASIC, steps: int = 2, **settings: Any) -> tuple[Nodes, Links]:
    """Model, the SAG node with its settings, KSampler, and the finished pictures."""
    sampler = {"seed": next(seeds), "control_after_generate": "fixed", "steps": steps, "cfg": 2.0,
               "sampler_name": "euler", "scheduler": "normal"}  # fmt: skip
    nodes = {
        "model": ("SAG demo: model", (100, 160), {}),
        "latent": ("SAG demo: latent", (100, 300), {}),
        "sag": (kind, (340, 160), settings),
        "sampler": ("KSampler", (720, 160), sampler),
        "image": ("SAG demo: image", (1040, 160), {}),
        "shown": ("PreviewImage", (1040, 280), {}),
    }
    links = [
        "model.model > sag.model",
        "sag.MODEL > sampler.model",
        "model.ten classes > sampler.positive",
        "model.negative > sampler.negative",
        "latent.LATENT > sampler.latent_image",
        "sampler.LATENT > image.samples",
        "image.IMAGE > shown.images",
    ]
    return nodes, links


def window(steps: int, **settings: Any) -> tuple[Nodes, Links]:
    """The sigma window of a sampler with `steps`, wired into the SAG node, and its plot."""
    nodes = {
        "window": (WINDOW, (340, 540), {"scheduler": "normal", "steps": steps, **settings}),
        "plot": ("PreviewImage", (720, 620), {}),
    }
    links = [
        "model.model > window.model",
        "window.sigma_start > sag.sigma_start",
        "window.sigma_end > sag.sigma_end",
        "window.plot > plot.images",
    ]
    return nodes, links


def preview() -> tuple[Nodes, Links]:
    """The mask preview at the end of a sampled graph."""
    return {"preview": (PREVIEW, (340, 540), {})}, ["sag.MODEL > preview.model", "sampler.LATENT > preview.samples"]
