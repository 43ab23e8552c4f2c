"""Which steps a window holds, and which window holds just the steps that are asked for.

A schedule is a falling list of sigmas. Each begins a step, but the last: it is 0, and sampling ends there. Steps count
from 0, as in the host's KSampler (Advanced), and a `range` of them stops before its end.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

from .sag_core import UNBOUNDED_SIGMA, SigmaWindow

# A bound lies MARGIN of the log gap above a step. On the way down to that step, samplers evaluate the model after at
# most DEEPEST_INNER of the gap (seeds_3 does). A third of the gap is left then, so all of that lies above the bound.
MARGIN = 0.25
DEEPEST_INNER = 2 / 3
LONE_GAP = math.log(2)  # taken for the log gap, if a schedule has one step alone
SIGMA_TOLERANCE = 1e-6  # relative: two float32 sigmas nearer than this are the same
GUIDANCE_INTERVAL = (5.42, 0.28)  # Kynkäänniemi et al., arXiv 2404.07724
LATE_SHARE = 0.25  # of the model's largest sigma
DECIMALS = 2  # of the SAG nodes' widgets
ENOUGH_DECIMALS = 17  # more than a float has


def steps_of(sigmas: list[float]) -> list[float]:
    """The sigmas at which a step begins: all but the last of the schedule."""
    return sigmas[:-1]


def steps_by_number(sigmas: list[float], start: int, end: int) -> range:
    """The steps from `start` up to, not including, `end`, as far as the schedule goes."""
    return range(start, min(end, len(steps_of(sigmas))))


def steps_by_sigma(sigmas: list[float], high: float, low: float) -> range:
    """The steps with `low <= sigma <= high`, both inclusive."""
    lowest, highest = low * (1 - SIGMA_TOLERANCE), high * (1 + SIGMA_TOLERANCE)
    inside = [i for i, sigma in enumerate(steps_of(sigmas)) if lowest <= sigma <= highest]
    return range(inside[0], inside[-1] + 1) if inside else range(0)


def last_third(sigmas: list[float]) -> range:
    """The last third of the steps, rounded up."""
    count = len(steps_of(sigmas))
    return range(count - math.ceil(count / 3), count)


def steps_inside(sigmas: list[float], window: SigmaWindow) -> list[int]:
    """The steps of the schedule that the window holds."""
    return [i for i, sigma in enumerate(steps_of(sigmas)) if sigma in window]


def window_around(sigmas: list[float], active: range) -> SigmaWindow:
    """The window that holds just the `active` steps, at least one; ValueError if there is no such window.

    The upper bound lies MARGIN of the log gap above the first active step, the lower one as far above the first step
    that is no longer active. So what a sampler evaluates on its way from one step to the next counts as the former.
    No step lies above the first of the schedule: its bound is measured by the gap below it. If the last step of the
    schedule is active, the lower bound is 0.
    """
    steps = steps_of(sigmas)
    first, last = steps[active[0]], steps[active[-1]]
    if active[0] > 0:
        upper = between(first, steps[active[0] - 1], MARGIN)
    else:
        upper = first * math.exp(MARGIN * (math.log(first / steps[1]) if len(steps) > 1 else LONE_GAP))
    is_last = active[-1] == len(steps) - 1
    lower = 0.0 if is_last else between(steps[active[-1] + 1], last, MARGIN)
    below_unbounded = min(upper, math.nextafter(UNBOUNDED_SIGMA, 0))  # 1000 would let in all steps above, too
    for start in (upper, below_unbounded):
        if start >= lower and steps_inside(sigmas, SigmaWindow(start, lower)) == list(active):
            return SigmaWindow(start, lower)
    requested = f"steps {active[0]} to {active[-1]} (sigma {first:.6g} to {last:.6g})"
    if first >= UNBOUNDED_SIGMA and active[0] > 0:
        raise ValueError(
            f"no window can begin at {requested}: a sigma_start of 1000 or more means no upper bound. "
            "Begin at step 0, or at a sigma below 1000"
        )
    raise ValueError(f"no window holds {requested} alone: a neighbouring step has the same sigma")


def between(sigma: float, other: float, share: float) -> float:
    """The sigma that lies `share` of the way from `sigma` to `other`, along the logarithm."""
    return sigma * (other / sigma) ** share


def with_inner_evaluations(sigmas: list[float]) -> list[float]:
    """The schedule, and below each step but the last the lowest sigma that samplers evaluate on the way to the next."""
    inner = [between(step, below, DEEPEST_INNER) for step, below in pairwise(steps_of(sigmas))]
    return sorted(sigmas + inner, reverse=True)


def bounds_to_type(sigmas: list[float], window: SigmaWindow) -> tuple[str, str]:
    """The window's start and end as a user may type them: rounded to 0.01, if it holds the same steps then.

    If not, with the decimals that it takes and the word "link", since the widgets show no more than two.
    """
    inside = steps_inside(sigmas, window)

    def holds_the_same(start: float, end: float) -> bool:
        return start >= end and steps_inside(sigmas, SigmaWindow(start, end)) == inside

    # The widget ends at 1000, which means no upper bound.
    start = shortest_text(min(window.start, UNBOUNDED_SIGMA), lambda bound: holds_the_same(bound, window.end))
    return start, shortest_text(window.end, lambda bound: holds_the_same(window.start, bound))


def shortest_text(bound: float, enough: Callable[[float], bool]) -> str:
    """`bound` rounded to two decimals or, if these are not `enough`, to as many as are, with "(link)" behind it."""
    decimals = next((d for d in range(DECIMALS, ENOUGH_DECIMALS) if enough(round(bound, d))), ENOUGH_DECIMALS)
    text = f"{bound:.{decimals}f}".rstrip("0").rstrip(".")
    return text if decimals == DECIMALS else f"{text} (link)"
