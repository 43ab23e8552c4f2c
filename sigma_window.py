"""Which sigmas hold which steps: from a schedule to the window that holds just the steps asked for, and back.

A schedule is a falling list of sigmas. Its last one, 0, is where sampling ends, and no step. Steps count from 0, as in
the host's KSampler (Advanced), and a `range` of them stops before its end. This is plain arithmetic; the schedules
themselves come from the host.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

from .sag_core import UNBOUNDED_SIGMA, SigmaWindow

MARGIN = 0.25  # of the log gap to the step above: all that samplers evaluate inside a step lies above it (seeds_3: 1/3)
DEEPEST_INNER = 2 / 3  # of the log gap to the next step: how far down seeds_3 evaluates inside a step
LONE_GAP = math.log(2)  # log gap of a schedule of one step, which has no neighbour to measure
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
    """The window that holds just the `active` steps; ValueError where there is none.

    Each bound lies a quarter of the log gap above a step: the upper one above the first that acts, the lower one above
    the first that no longer does. So what a sampler evaluates on its way to the next step goes with the step it left.
    Above the first step of the schedule stands no other, so the gap below it is taken. Below the last stands 0, an
    infinite gap away, so the bound is 0.
    """
    steps = steps_of(sigmas)
    first, last = steps[active[0]], steps[active[-1]]
    if active[0] > 0:
        upper = between(first, steps[active[0] - 1], MARGIN)
    else:
        upper = first * math.exp(MARGIN * (math.log(first / steps[1]) if len(steps) > 1 else LONE_GAP))
    is_last = active[-1] == len(steps) - 1
    lower = 0.0 if is_last else between(steps[active[-1] + 1], last, MARGIN)
    below_unbounded = min(upper, math.nextafter(UNBOUNDED_SIGMA, 0))  # 1000 would let in the steps above, too
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
    """The sigma that lies `share` of the log gap from `sigma` to `other`."""
    return sigma * (other / sigma) ** share


def with_inner_evaluations(sigmas: list[float]) -> list[float]:
    """The schedule, and inside each step but the last the lowest sigma that any sampler evaluates there."""
    inner = [between(step, below, DEEPEST_INNER) for step, below in pairwise(steps_of(sigmas))]
    return sorted(sigmas + inner, reverse=True)


def bounds_to_type(sigmas: list[float], window: SigmaWindow) -> tuple[str, str]:
    """Start and end of the window as a user may type them: rounded to 0.01 where that holds the same steps.

    Elsewhere with the digits it needs and the word "link", since the widgets show no more than two decimals.
    """
    inside = steps_inside(sigmas, window)

    def holds_the_same(start: float, end: float) -> bool:
        return start >= end and steps_inside(sigmas, SigmaWindow(start, end)) == inside

    # The widget ends at 1000, which means no upper bound.
    start = shortest_text(min(window.start, UNBOUNDED_SIGMA), lambda bound: holds_the_same(bound, window.end))
    return start, shortest_text(window.end, lambda bound: holds_the_same(window.start, bound))


def shortest_text(bound: float, enough: Callable[[float], bool]) -> str:
    """`bound` with as few decimals, from two on, as are `enough`; with "(link)" where it needs more than two."""
    decimals = next((d for d in range(DECIMALS, ENOUGH_DECIMALS) if enough(round(bound, d))), ENOUGH_DECIMALS)
    text = f"{bound:.{decimals}f}".rstrip("0").rstrip(".")
    return text if decimals == DECIMALS else f"{text} (link)"
