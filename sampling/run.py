"""What a node keeps during one sampling run: counts for its line in the log, and guidance for reuse."""

from __future__ import annotations

import functools
import importlib.util
import logging
import weakref
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch

from ..sag_core import SigmaWindow
from .cpu_copy import HostCopy
from .masks import STORE, MaskStore, PackedMask, RunMasks, StepMask

NAME = "SAG delayed activation"
MASKS_OF_RUN = "sag_delayed_activation masks of this run"
RUN = "sag_delayed_activation run"  # in model_options; on hosts before 0.3.7 on a conditioning


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


@dataclass
class RunCounts:
    """What one node did in one run, for the line in the log."""

    window: SigmaWindow
    sigmas: list[float] = field(default_factory=list)
    acted: list[float] = field(default_factory=list)
    not_finite: int = 0  # how often guidance was left out for a sample of the batch or more
    finite: list[HostCopy] = field(default_factory=list)  # boolean [B] of each time it acted, not yet counted
    extra_calls: int = 0
    passed_over: Counter[str] = field(default_factory=Counter)
    remark: str = ""  # what this host cannot do as newer ones do

    def log(self) -> None:
        """One line: what was done, or a warning that says why nothing was or what went wrong."""
        line = self.summary()
        if self.acted and not self.not_finite:
            logging.info("%s", line)
        elif self.sigmas:
            logging.warning("%s", line)

    def settle(self, wait: bool = False) -> None:
        """Count what was not finite, and let go of the tensors that say so; `wait` for those that have not arrived."""
        on_their_way, self.finite = self.finite, []
        for finite in on_their_way:
            if wait or finite.arrived():
                self.not_finite += not finite.tensor().all()
            else:
                self.finite.append(finite)

    def summary(self) -> str:
        self.settle(wait=True)
        line = f"{NAME}: acted on {len(self.acted)} of {len(self.sigmas)} model evaluations"
        if self.acted:
            line += f", from sigma {max(self.acted):.4g} to {min(self.acted):.4g}, {self.extra_calls} extra UNet calls"
            if self.not_finite:
                left_out = f"on {self.not_finite} of them guidance was not finite for some picture and left out for it"
                line += f"; {left_out}"
        elif any(sigma in self.window for sigma in self.sigmas) and not self.passed_over:
            ended = "the run ended before guidance was computed"
            line += f": {ended}"
        elif self.sigmas and not self.passed_over:
            line += (
                f": none lay in the window from {self.window.start:g} to {self.window.end:g}, "
                f"sampled were {max(self.sigmas):.4g} to {min(self.sigmas):.4g}"
            )
        if self.passed_over:
            reasons = "; ".join(f"{n} because {why}" for why, n in self.passed_over.most_common())
            line += f"; passed over {self.passed_over.total()} in the window: {reasons}"
        if self.remark:
            line += f"; {self.remark}"
        return line


class Guidance(NamedTuple):
    """What one evaluation of the degraded latent gave."""

    difference: torch.Tensor  # degraded - sag [B, C, h, w], in x0 units, finite
    mask: PackedMask
    finite: HostCopy  # boolean [B]: false where it was not, and 0 stands in difference
    sigma: float  # of that evaluation

    def at(self, sigma: float) -> Guidance:
        """What it is worth at a sigma nearby: the same in units of the noise, in which the paper states it.

        In units of x0 it falls with sigma. Held as it is, it would be far too much at the last steps.
        """
        return self._replace(difference=self.difference * (sigma / self.sigma)) if self.sigma else self


class Run:
    """One node in one run. Logs its counts when the run's own data die, also after an error or an interrupt."""

    def __init__(self, window: SigmaWindow, masks: RunMasks) -> None:
        self.counts, self.masks, self.number = RunCounts(window), masks, len(masks.counts)
        masks.counts.append(self.counts)
        self.held: Guidance | None = None
        self.uses = 0  # of what is held
        weakref.finalize(self, end, self.counts, masks).atexit = False

    @classmethod
    def of(cls, args: dict[str, Any], key: str, window: SigmaWindow) -> Run:
        """The node named `key` in the run that these post-CFG arguments belong to."""
        scope = run_scope(args)
        name = f"{key} run"
        if name not in scope:
            scope[name] = cls(window, masks_of_run(scope, args))
        return scope[name]

    def reuse(self, every: int, shape: torch.Size) -> Guidance | None:
        """What is held, where it may serve one more evaluation of this latent shape."""
        if self.held is None or self.uses >= every or self.held.difference.shape != shape:
            return None
        self.uses += 1
        return self.held

    def hold(self, guidance: Guidance) -> None:
        self.held, self.uses = guidance, 1

    def acted(self, sigma: float, guidance: Guidance, reused: bool) -> None:
        self.masks.add(StepMask(len(self.counts.sigmas) - 1, sigma, guidance.mask, self.number, reused))
        self.counts.acted.append(sigma)
        self.counts.finite.append(guidance.finite)
        self.counts.settle()


def end(counts: RunCounts, masks: RunMasks) -> None:
    """The run is over: leave no tensor to the preview, and say what was done."""
    try:
        masks.settle(wait=True)  # on what the host waits for itself, the run's last latent
        counts.settle(wait=True)
    except RuntimeError:  # the device itself failed. The host has said so; the line is still worth having
        counts.finite.clear()
    counts.log()


def run_scope(args: dict[str, Any]) -> dict[str, Any]:
    """A dict that lives just as long as the sampling run.

    It lies in the MODEL's options: a run of the host copies them with the dicts in them, while a shallow copy for every
    evaluation, as AnimateDiff-Evolved makes it, hands on the dicts in them.

    Hosts before 0.3.7 hand out the MODEL's own options, which outlive the run. There the positive prompt's
    conditioning, which the host makes anew for every run, carries the dict.
    """
    if wrappers_exist():
        return args["model_options"].setdefault(RUN, {})
    conditioning = next(iter(args["cond"][0]["model_conds"].values()))
    return vars(conditioning).setdefault(RUN, {})


def masks_of_run(scope: dict[str, Any], args: dict[str, Any]) -> RunMasks:
    """All SAG nodes of a run share one; it is kept on the MODEL, for the preview."""
    if MASKS_OF_RUN not in scope:
        options = args["model_options"]
        schedule = options["transformer_options"].get("sample_sigmas")
        scope[MASKS_OF_RUN] = options.get(STORE, MaskStore()).begin(tuple(args["input"].shape), schedule)
    return scope[MASKS_OF_RUN]
