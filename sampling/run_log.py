"""The line in the log: what one node did in one run."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, field

import torch

from ..sag_core import SigmaWindow
from .settings import NAME


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
    acted: list[int] = field(default_factory=list)  # places in sigmas of those on which it acted
    not_finite: int = 0  # how often guidance was left out for a sample of the batch or more
    finite: list[torch.Tensor] = field(default_factory=list)  # boolean [B] of each time it acted, not yet counted
    extra_calls: int = 0
    skipped: dict[int, str] = field(default_factory=dict)  # places of others in the window, and why
    remark: str = ""  # what this host cannot do as newer ones do, or why guidance was never asked for
    node: int = 0  # of the MODEL's SAG nodes, in their order
    warns: bool = False  # whether something went wrong, as `write` found

    @classmethod
    def joined(cls, logs: list[RunLog]) -> RunLog:
        """What one node did in several runs, as if they had been one."""
        joined = cls(logs[0].window, remark=logs[0].remark, node=logs[0].node)
        for log in logs:
            log.settle()
            before = len(joined.sigmas)
            joined.sigmas += log.sigmas
            joined.acted += [before + place for place in log.acted]
            joined.skipped |= {before + place: why for place, why in log.skipped.items()}
            joined.not_finite += log.not_finite
            joined.extra_calls += log.extra_calls
        return joined

    @classmethod
    def unasked(cls, window: SigmaWindow) -> RunLog:
        """Of a run in which guidance was never asked for."""
        return cls(window, remark="acted on no step: the guider that sampled calls no function after CFG")

    @property
    def newest(self) -> int:
        """The place in sigmas of the evaluation that was noted last."""
        return len(self.sigmas) - 1

    def write(self, excused: bool = False) -> None:
        """One line: what was done, or a warning that says what went wrong or, unless `excused`, why nothing was."""
        line = self.summary()
        self.warns = bool(self.not_finite or not (self.acted or excused))
        if self.sigmas or self.remark:
            logging.log(logging.WARNING if self.warns else logging.INFO, "%s", line)

    def settle(self) -> None:
        """Count what was not finite, and let go of the tensors that say so. Waits for the device, once."""
        if self.finite:
            finite = torch.stack([finite.all() for finite in self.finite]).tolist()
            self.not_finite += finite.count(False)
            self.finite.clear()

    def summary(self) -> str:
        """The whole line, without its end."""
        return f"{NAME}: {self.text()}"

    def text(self) -> str:
        """The line without the pack's name."""
        self.settle()
        clauses = [self.what_was_done(), self.what_was_left_out(), self.what_was_skipped(), self.remark]
        return "; ".join(filter(None, clauses))

    def what_was_done(self) -> str:
        if not self.sigmas:
            return ""
        done = f"acted on {len(self.acted)} of {len(self.sigmas)} model evaluations"
        if self.acted:
            sigmas = [self.sigmas[place] for place in self.acted]
            span = f"from sigma {max(sigmas):.4g} to {min(sigmas):.4g}"
            return f"{done}, {span}, {self.extra_calls} extra UNet calls"
        if self.skipped:
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
        counts = Counter(self.skipped.values()).most_common()
        reasons = "; ".join(f"{count} because {why}" for why, count in counts)
        return f"skipped {len(self.skipped)} in the window: {reasons}"
