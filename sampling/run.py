"""What a node keeps during one sampling run: its log, the masks, and guidance to use again."""

from __future__ import annotations

import weakref
from collections import deque
from typing import Any, NamedTuple

import torch

from ..sag_core import SigmaWindow
from .host import RunScope, run_scope, wrappers_exist
from .masks import MASK_STORE, MaskStore, PackedMask, RunEnds, RunMasks, StepMask, fingerprint
from .page import tell_page
from .post_cfg import PostCfg
from .run_log import RunLog

NAME_IN_SCOPE = "{} run"
KEYS_UNDER_WAY: set[str] = set()  # of the nodes in whose MODELs' runs we are
MASKS_OF_RUN = "sag_delayed_activation masks of this run"
ENDS_OF_RUN = "sag_delayed_activation ends of this run"


class CachedGuidance(NamedTuple):
    """What one evaluation of the degraded latent gave, kept for `every`, the preview and the log."""

    total: torch.Tensor  # what scale multiplies [B, C, h, w], in units of x0, finite
    mask: PackedMask
    finite: torch.Tensor  # boolean [B]: false where it was not, and 0 stands in difference
    sigma: float  # of that evaluation
    detail: torch.Tensor | None = None  # the part of total that does not fall with sigma [B, C, h, w]; None: 0

    def difference_at(self, sigma: float) -> torch.Tensor:
        """What it is worth at a sigma nearby.

        degraded - sag is the same in units of the noise, in which the paper states it: in units of x0 it falls with
        sigma. Kept as it is, it would be far too much at the last steps. Detail is a part of x0, and stays.
        """
        if not self.sigma:
            return self.total
        if self.detail is None:
            return self.total * (sigma / self.sigma)
        finite = self.finite.view(-1, *[1] * (self.total.ndim - 1))
        detail = torch.where(finite, self.detail, 0)
        return (self.total - detail) * (sigma / self.sigma) + detail


# Lines of runs whose end nobody told of. A finalizer may run inside the garbage collector, on any thread and in the
# middle of anything, logging itself included: all it does is to add to this, which cannot block.
LINES_PUT_ASIDE: deque[tuple[RunLog, RunMasks]] = deque()


class Run:
    """One node in one run. Its line is written when the run ends, also by an error or an interrupt.

    Hosts before 0.3.7, and guiders that go round the host's own, do not tell the end. There the line is put aside when
    the run's data die, and written by the next run.
    """

    def __init__(self, window: SigmaWindow, masks: RunMasks, shown_on: str | None = None) -> None:
        self.log, self.masks, self.shown_on = RunLog(window, node=len(masks.logs)), masks, shown_on
        masks.logs.append(self.log)
        self.cached: CachedGuidance | None = None
        self.uses = 0  # of what is cached
        self.fade_span: tuple[float, float] | None = None  # highest and lowest sigma of the fade, once it is asked for
        self.put_aside = weakref.finalize(self, LINES_PUT_ASIDE.append, (self.log, masks))
        self.put_aside.atexit = False

    @classmethod
    def of(cls, post: PostCfg, key: str, window: SigmaWindow, shown_on: str | None = None) -> Run:
        """The node named `key` in the run that these post-CFG arguments belong to.

        `shown_on` is the node of the page on which its line is shown.
        """
        scope = run_scope(post)
        name = NAME_IN_SCOPE.format(key)
        if name not in scope:
            write_lines_put_aside()
            scope[name] = cls(window, masks_of_run(scope, post), shown_on)
        return scope[name]

    @staticmethod
    def began(scope: RunScope, key: str) -> bool:
        """Whether the node named `key` was asked for guidance in this run."""
        return NAME_IN_SCOPE.format(key) in scope.entries

    def end(self) -> None:
        """The run is over: keep no tensor, and say what was done."""
        if self.put_aside.detach():
            self.cached = None
            write_line(self.log, self.masks)
            tell_page(self.shown_on, self.log)

    def reuse(self, every: int, shape: torch.Size) -> CachedGuidance | None:
        """What is cached, where it may serve one more evaluation of this latent shape."""
        if self.cached is None or self.uses >= every or self.cached.total.shape != shape:
            return None
        self.uses += 1
        return self.cached

    def keep(self, guidance: CachedGuidance) -> None:
        """Cache guidance that was used once."""
        self.cached, self.uses = guidance, 1

    def acted(self, sigma: float, guidance: CachedGuidance, reused: bool) -> None:
        """Note that guidance acted on the evaluation that was noted last."""
        self.masks.add(StepMask(self.log.newest, sigma, guidance.mask, self.log.node, reused))
        self.log.acted.append(self.log.newest)
        self.log.finite.append(guidance.finite)
        if not wrappers_exist():  # nobody will tell the run's end, when all could be read at once
            self.masks.settle()
            self.log.settle()


def end_runs(scope: RunScope) -> None:
    """The run of that scope is over, for each of its nodes."""
    for entry in list(scope.entries.values()):
        if isinstance(entry, Run):
            entry.end()


def write_lines_put_aside() -> None:
    """The lines of runs that ended unnoticed."""
    while LINES_PUT_ASIDE:
        write_line(*LINES_PUT_ASIDE.popleft())


def write_line(log: RunLog, masks: RunMasks) -> None:
    """Leave no tensor to the preview, and say what was done."""
    try:
        masks.settle()  # waits for what the host waits for itself, the run's last latent
        log.settle()
    except RuntimeError:  # the device itself failed. The host has said so; the line is still worth having
        log.finite.clear()
    masks.finish(log)


def masks_of_run(scope: dict[str, Any], post: PostCfg) -> RunMasks:
    """All SAG nodes of a run share one; it is kept on the MODEL, for the preview."""
    if MASKS_OF_RUN not in scope:
        store = post.model_options.get(MASK_STORE) or MaskStore()
        scope[MASKS_OF_RUN] = store.begin(tuple(post.x.shape), scope.get(ENDS_OF_RUN))
    return scope[MASKS_OF_RUN]


def note_given(scope: RunScope, sigmas: torch.Tensor, latent: torch.Tensor) -> None:
    """What the run is given, before it begins; once, however many SAG nodes it has."""
    if ENDS_OF_RUN not in scope.entries:
        scope.entries[ENDS_OF_RUN] = RunEnds(sigmas.tolist(), fingerprint(latent))


def note_result(scope: RunScope, latent: torch.Tensor) -> None:
    """What the run gave."""
    ends: RunEnds = scope.entries[ENDS_OF_RUN]
    if ends.result is None:
        ends.result = fingerprint(latent)
