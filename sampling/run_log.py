"""The line in the log: what one node did in one run."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, field

import torch

from ..sag_core import SigmaWindow
from .settings import NAME


def warn_no_post_cfg() -> None:
    """A run has ended in which guidance was not asked for."""
    logging.warning("%s: acted on no step: the guider that sampled calls no function after CFG", NAME)


def warn_other_model() -> None:
    """A MODEL was sampled whose hooks nobody called."""
    logging.warning(
        "%s: acted on no step: the guider only evaluated its negative on this MODEL. "
        "Put the node on the MODEL of the positive, too", NAME,
    )  # fmt: skip


@dataclass
class RunLog:
    """What one node did in one run, and the line that says it."""

    window: SigmaWindow
    sigmas: list[float] = field(default_factory=list)  # of every evaluation
    acted: list[float] = field(default_factory=list)  # of those on which it acted
    not_finite: int = 0  # how often guidance was left out for a sample of the batch or more
    finite: list[torch.Tensor] = field(default_factory=list)  # boolean [B] of each time it acted, not yet counted
    extra_calls: int = 0
    skipped: Counter[str] = field(default_factory=Counter)  # evaluations in the window, by the reason
    remark: str = ""  # what this host cannot do as newer ones do
    node: int = 0  # of the MODEL's SAG nodes, in their order

    @classmethod
    def joined(cls, logs: list[RunLog]) -> RunLog:
        """What one node did in several runs, as if they had been one."""
        joined = cls(logs[0].window, remark=logs[0].remark, node=logs[0].node)
        for log in logs:
            log.settle()
            joined.sigmas += log.sigmas
            joined.acted += log.acted
            joined.skipped += log.skipped
            joined.not_finite += log.not_finite
            joined.extra_calls += log.extra_calls
        return joined

    def write(self, excused: bool = False) -> None:
        """One line: what was done, or a warning that says what went wrong or, unless `excused`, why nothing was."""
        line = self.summary()
        well = (self.acted or excused) and not self.not_finite
        if self.sigmas:
            logging.log(logging.INFO if well else logging.WARNING, "%s", line)

    def settle(self) -> None:
        """Count what was not finite, and let go of the tensors that say so. Waits for the device, once."""
        if self.finite:
            finite = torch.stack([finite.all() for finite in self.finite]).tolist()
            self.not_finite += finite.count(False)
            self.finite.clear()

    def summary(self) -> str:
        """The whole line, without its end."""
        self.settle()
        clauses = [self.what_was_done(), self.what_was_left_out(), self.what_was_skipped(), self.remark]
        return "; ".join(filter(None, clauses))

    def what_was_done(self) -> str:
        done = f"{NAME}: acted on {len(self.acted)} of {len(self.sigmas)} model evaluations"
        if self.acted:
            sigmas = f"from sigma {max(self.acted):.4g} to {min(self.acted):.4g}"
            return f"{done}, {sigmas}, {self.extra_calls} extra UNet calls"
        if self.skipped or not self.sigmas:
            return done
        if any(sigma in self.window for sigma in self.sigmas):
            return f"{done}: the run ended before guidance was computed"
        window = f"the window from {self.window.start:g} to {self.window.end:g}"
        return f"{done}: none lay in {window}, sampled were {max(self.sigmas):.4g} to {min(self.sigmas):.4g}"

    def what_was_left_out(self) -> str:
        if not self.not_finite:
            return ""
        return f"on {self.not_finite} of them guidance was not finite for some picture and left out for it"

    def what_was_skipped(self) -> str:
        if not self.skipped:
            return ""
        reasons = "; ".join(f"{count} because {why}" for why, count in self.skipped.most_common())
        return f"skipped {self.skipped.total()} in the window: {reasons}"
