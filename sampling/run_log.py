"""The line in the log: what one node did in one run, and whether that is worth a warning."""

from __future__ import annotations

import functools
import logging
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import torch

from ..sag_core import SigmaWindow
from .sentences import REMEDY_OF, Phrase
from .settings import NAME

NO_FAULT = {"fadeIs0", "pureNoise", "noNegative", "negativeNotActive", "positiveNotActive"}  # expected, and no fault


@functools.cache
def say_once_that_runs_are_not_told() -> None:
    """Say, once for each start of the host, that a guider samples without calling `around_run`."""
    logging.info(
        "%s: a guider begins its runs in a way of its own. Guidance acts, but what it does is not told, every counts "
        "as 1, and an open fade spans the model's sigmas", NAME,
    )  # fmt: skip


@dataclass
class RunLog:
    """What one node did in one run, and the line that says it."""

    window: SigmaWindow
    is_whole: bool = True  # whether the run is a whole sampling, and no part of one
    node: int = 0  # its number among the run's SAG nodes, from 0
    percents: list[float] | None = None  # of the model, as `percents_of` has them: for the page
    sigmas: list[float] = field(default_factory=list)  # of every evaluation
    acted: list[int] = field(default_factory=list)  # places in `sigmas` of those on which it acted
    not_finite: int = 0  # how often guidance was left out for at least one picture of the batch
    finite: list[torch.Tensor] = field(default_factory=list)  # boolean [B] for each time it acted, until counted
    extra_calls: int = 0
    cut_short: bool = False  # whether an error or an interrupt ended the run
    skipped: dict[int, Phrase] = field(default_factory=dict)  # places in `sigmas` of others in the window, and why

    @property
    def newest(self) -> int:
        """The place in `sigmas` of the evaluation that was noted last."""
        return len(self.sigmas) - 1

    @property
    def warns(self) -> bool:
        """Whether something went wrong, as far as this run alone can tell."""
        if self.not_finite:
            return True
        return not self.acted and (self.is_whole or self.was_kept_from_acting())

    def was_kept_from_acting(self) -> bool:
        """Whether every evaluation in the window was skipped, and each for a reason that is a fault."""
        inside = [place for place, sigma in enumerate(self.sigmas) if sigma in self.window]
        reasons = [self.skipped.get(place) for place in inside]
        return bool(reasons) and all(reason is not None and reason.key not in NO_FAULT for reason in reasons)

    def write(self) -> None:
        """Log the line: what was done, or why nothing was."""
        logging.log(logging.WARNING if self.warns else logging.INFO, "%s", self.summary())

    def settle(self) -> None:
        """Count where guidance was not finite, and let go of the tensors that say so. Waits for the device, once."""
        if self.finite:
            finite = torch.stack([finite.all() for finite in self.finite]).tolist()
            self.not_finite += finite.count(False)
            self.finite.clear()

    def summary(self) -> str:
        """The whole line."""
        return f"{NAME}: {self.text()}"

    def text(self) -> str:
        """The line without the pack's name."""
        return "; ".join(map(str, self.clauses()))

    def clauses(self) -> list[Phrase]:
        """The parts of the line. A warning begins with what to do."""
        left_out = [Phrase.of("notFinite", number=self.not_finite)] if self.not_finite else []
        done = self.what_was_done()
        cut_short = [Phrase.of("cutShort")] if self.cut_short and done.key != "endedEarly" else []
        return [*self.what_to_do(), done, *left_out, *self.what_was_skipped(), *cut_short]

    def what_to_do(self) -> list[Phrase]:
        """About a warning: each remedy once, that of the most frequent reason first."""
        if not self.warns:
            return []
        wrong = ["notFinite"] if self.not_finite else [self.what_was_done().key]
        wrong += [reason.key for reason, _ in Counter(self.skipped.values()).most_common()]
        return [Phrase(remedy) for remedy in dict.fromkeys(map(REMEDY_OF.get, wrong)) if remedy]

    def what_was_done(self) -> Phrase:
        count = len(self.sigmas)
        if not count:
            return Phrase.of("unasked")
        if self.acted:
            sigmas = [self.sigmas[place] for place in self.acted]
            high, low = span(sigmas)
            return Phrase.of("actedOnSome", acted=len(sigmas), count=count, high=high, low=low, calls=self.extra_calls)
        if self.skipped:
            return Phrase.of("actedOnNone", count=count)
        if any(sigma in self.window for sigma in self.sigmas):
            return Phrase.of("endedEarly", count=count)
        start, end, (high, low) = f"{self.window.start:g}", f"{self.window.end:g}", span(self.sigmas)
        return Phrase.of("noneInside", count=count, start=start, end=end, high=high, low=low)

    def what_was_skipped(self) -> list[Phrase]:
        """Each reason with how often it came, the most frequent first."""
        counts = Counter(self.skipped.values()).most_common()
        reasons = [Phrase.of("because", number=number, reason=reason) for reason, number in counts]
        return [Phrase.of("skippedSome", number=len(self.skipped), first=reasons[0]), *reasons[1:]] if reasons else []


class LastLine:
    """What a node said last, and in which prompt. The tiles of a picture, runs of one prompt, share it."""

    def __init__(self) -> None:
        self.said: tuple[str | None, bool, str] | None = None

    def __deepcopy__(self, _: dict[int, Any]) -> LastLine:
        """ComfyUI before 0.14 clones by deep copies, and a tile may be sampled by a clone."""
        return self

    def is_news(self, prompt: str | None, log: RunLog) -> bool:
        """Whether `log` says other than was said last in this prompt; without a prompt, always."""
        last, self.said = self.said, (prompt, log.warns, log.summary())
        return prompt is None or self.said != last


def span(sigmas: list[float]) -> tuple[str, str]:
    """The highest and the lowest of them, as text."""
    return f"{max(sigmas):.4g}", f"{min(sigmas):.4g}"
