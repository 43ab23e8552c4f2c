"""The line in the log: what one node did in one run."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, field

import torch

from ..sag_core import SigmaWindow
from .sentences import Said
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
    skipped: dict[int, Said] = field(default_factory=dict)  # places of others in the window, and why
    remark: Said | None = None  # what this host cannot do as newer ones do, or why guidance was never asked for
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
        return cls(window, remark=Said.of("unasked"))

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
        return "; ".join(map(str, self.clauses()))

    def clauses(self) -> list[Said]:
        """What the line is made of."""
        self.settle()
        done = [self.what_was_done()] if self.sigmas else []
        left_out = [Said.of("notFinite", number=self.not_finite)] if self.not_finite else []
        return [*done, *left_out, *self.what_was_skipped(), *([self.remark] if self.remark else [])]

    def what_was_done(self) -> Said:
        count = len(self.sigmas)
        if self.acted:
            sigmas = [self.sigmas[place] for place in self.acted]
            high, low = span(sigmas)
            return Said.of("actedOnSome", acted=len(sigmas), count=count, high=high, low=low, calls=self.extra_calls)
        if self.skipped:
            return Said.of("actedOnNone", count=count)
        if any(sigma in self.window for sigma in self.sigmas):
            return Said.of("endedEarly", count=count)
        start, end, (high, low) = f"{self.window.start:g}", f"{self.window.end:g}", span(self.sigmas)
        return Said.of("noneInside", count=count, start=start, end=end, high=high, low=low)

    def what_was_skipped(self) -> list[Said]:
        """Each reason with its number, the most frequent first."""
        counts = Counter(self.skipped.values()).most_common()
        reasons = [Said.of("because", number=number, reason=reason) for reason, number in counts]
        return [Said.of("skippedSome", number=len(self.skipped), first=reasons[0]), *reasons[1:]] if reasons else []


def span(sigmas: list[float]) -> tuple[str, str]:
    """The highest and the lowest of them, as text."""
    return f"{max(sigmas):.4g}", f"{min(sigmas):.4g}"
