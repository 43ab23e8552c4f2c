"""The line in the log: what one node did in one run."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, field

from ..sag_core import SigmaWindow
from .cpu_copy import CpuCopy
from .settings import NAME


@dataclass
class RunLog:
    """What one node did in one run, and the line that says it."""

    window: SigmaWindow
    sigmas: list[float] = field(default_factory=list)  # of every evaluation
    acted: list[float] = field(default_factory=list)  # of those on which it acted
    not_finite: int = 0  # how often guidance was left out for a sample of the batch or more
    finite: list[CpuCopy] = field(default_factory=list)  # boolean [B] of each time it acted, not yet counted
    extra_calls: int = 0
    skipped: Counter[str] = field(default_factory=Counter)  # evaluations in the window, by the reason
    remark: str = ""  # what this host cannot do as newer ones do

    def write(self) -> None:
        """One line: what was done, or a warning that says why nothing was or what went wrong."""
        line = self.summary()
        if self.acted and not self.not_finite:
            logging.info("%s", line)
        elif self.sigmas:
            logging.warning("%s", line)

    def settle(self, wait: bool = False) -> None:
        """Count what was not finite, and let go of the tensors that say so; `wait` for those that have not arrived."""
        copies, self.finite = self.finite, []
        for finite in copies:
            if wait or finite.arrived():
                self.not_finite += not finite.tensor().all()
            else:
                self.finite.append(finite)

    def summary(self) -> str:
        """The whole line, without its end."""
        self.settle(wait=True)
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
