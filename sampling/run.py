"""What a node keeps during one sampling run: its log, the masks, and guidance to use again."""

from __future__ import annotations

import weakref
from typing import Any, NamedTuple

import torch

from ..sag_core import SigmaWindow
from .cpu_copy import CpuCopy
from .host import run_schedule, run_scope
from .masks import MASK_STORE, MaskStore, PackedMask, RunMasks, StepMask
from .post_cfg import PostCfg
from .run_log import RunLog

MASKS_OF_RUN = "sag_delayed_activation masks of this run"


class CachedGuidance(NamedTuple):
    """What one evaluation of the degraded latent gave, kept for `every`, the preview and the log."""

    difference: torch.Tensor  # degraded - sag [B, C, h, w], in units of x0, finite
    mask: PackedMask
    finite: CpuCopy  # boolean [B]: false where it was not, and 0 stands in difference
    sigma: float  # of that evaluation

    def difference_at(self, sigma: float) -> torch.Tensor:
        """What it is worth at a sigma nearby: the same in units of the noise, in which the paper states it.

        In units of x0 it falls with sigma. Kept as it is, it would be far too much at the last steps.
        """
        return self.difference * (sigma / self.sigma) if self.sigma else self.difference


class Run:
    """One node in one run. Writes its line when the run's own data die, also after an error or an interrupt."""

    def __init__(self, window: SigmaWindow, masks: RunMasks) -> None:
        self.log, self.masks, self.number = RunLog(window), masks, len(masks.logs)
        masks.logs.append(self.log)
        self.cached: CachedGuidance | None = None
        self.uses = 0  # of what is cached
        weakref.finalize(self, end, self.log, masks).atexit = False

    @classmethod
    def of(cls, post: PostCfg, key: str, window: SigmaWindow) -> Run:
        """The node named `key` in the run that these post-CFG arguments belong to."""
        scope = run_scope(post)
        name = f"{key} run"
        if name not in scope:
            scope[name] = cls(window, masks_of_run(scope, post))
        return scope[name]

    def reuse(self, every: int, shape: torch.Size) -> CachedGuidance | None:
        """What is cached, where it may serve one more evaluation of this latent shape."""
        if self.cached is None or self.uses >= every or self.cached.difference.shape != shape:
            return None
        self.uses += 1
        return self.cached

    def keep(self, guidance: CachedGuidance) -> None:
        """Cache guidance that was used once."""
        self.cached, self.uses = guidance, 1

    def acted(self, sigma: float, guidance: CachedGuidance, reused: bool) -> None:
        """Note that guidance acted on the evaluation that was noted last."""
        self.masks.add(StepMask(len(self.log.sigmas) - 1, sigma, guidance.mask, self.number, reused))
        self.log.acted.append(sigma)
        self.log.finite.append(guidance.finite)
        self.log.settle()


def end(log: RunLog, masks: RunMasks) -> None:
    """The run is over: leave no tensor to the preview, and say what was done."""
    try:
        masks.settle(wait=True)  # on what the host waits for itself, the run's last latent
        log.settle(wait=True)
    except RuntimeError:  # the device itself failed. The host has said so; the line is still worth having
        log.finite.clear()
    log.write()


def masks_of_run(scope: dict[str, Any], post: PostCfg) -> RunMasks:
    """All SAG nodes of a run share one; it is kept on the MODEL, for the preview."""
    if MASKS_OF_RUN not in scope:
        store = post.model_options.get(MASK_STORE) or MaskStore()
        scope[MASKS_OF_RUN] = store.begin(tuple(post.x.shape), run_schedule(post.transformer_options))
    return scope[MASKS_OF_RUN]
