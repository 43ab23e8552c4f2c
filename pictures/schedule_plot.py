"""A picture of a schedule and the window on it: sigma over steps, drawn with Pillow."""

from __future__ import annotations

import math

import torch

from ..sag_core import SigmaWindow
from .canvas import ACTIVE, DIM, EDGE, GRID, IDLE, INK, WINDOW, Canvas

WIDTH, HEIGHT = 1024, 768
LEFT, TOP, RIGHT, BOTTOM = 128, 232, WIDTH - 36, HEIGHT - 100  # the axes' frame, pixels of the finished picture
SMALLEST_DOT = 5  # radius of an active step's dot
LABEL_ROOM = 38  # least distance of two labels of the sigma axis
TITLE, TEXT, SMALL = 42, 36, 30  # font sizes: still legible where the page shows the picture at a third


class Axes:
    """Where steps and sigmas lie in the picture: steps go from left to right, sigmas upwards on a logarithmic scale."""

    def __init__(self, steps: list[float]) -> None:
        low, high = math.log(steps[-1]), math.log(steps[0])
        room = 0.06 * (high - low) or 0.5
        self.low, self.high = low - room, high + room
        self.count = len(steps)

    def x(self, step: float) -> float:
        return LEFT + (RIGHT - LEFT) * (step + 0.5) / self.count

    def y(self, sigma: float) -> float:
        """The y of a sigma; one that is beyond the frame lies on its border."""
        if sigma <= 0:
            return BOTTOM
        share = (math.log(sigma) - self.low) / (self.high - self.low)
        return BOTTOM - (BOTTOM - TOP) * min(1.0, max(0.0, share))


def sigma_ticks(low: float, high: float) -> list[float]:
    """Round sigmas from `low` to `high`: powers of ten and, if these are fewer than three, numbers between them."""
    decades = range(math.floor(math.log10(low)) - 2, math.ceil(math.log10(high)) + 1)
    for digits in ([1], [1, 3], [1, 2, 5], range(1, 10), range(10, 100, 2), range(100, 1000, 2)):
        ticks = sorted({float(f"{digit}e{decade}") for decade in decades for digit in digits})
        ticks = [tick for tick in ticks if low <= tick <= high]
        if len(ticks) >= 3:
            break
    return ticks


def step_ticks(count: int) -> range:
    """At most eleven round steps, from 0."""
    strides = (digit * 10**power for power in range(9) for digit in (1, 2, 5))
    return range(0, count, next(stride for stride in strides if count <= 11 * stride))


def draw_axes(canvas: Canvas, axes: Axes) -> None:
    free: float = BOTTOM  # labels are set upwards, each only if the one below leaves room
    for sigma in sigma_ticks(math.exp(axes.low), math.exp(axes.high)):
        y = axes.y(sigma)
        canvas.line([(LEFT, y), (RIGHT, y)], GRID)
        if y <= free:
            canvas.text(LEFT - 12, y, f"{sigma:g}", SMALL, DIM, "rm")
            free = y - LABEL_ROOM
    for step in step_ticks(axes.count):
        canvas.text(axes.x(step), BOTTOM + 12, str(step), SMALL, DIM, "ma")
    canvas.text(LEFT - 12, TOP - 12, "sigma", SMALL, INK, "rs")
    canvas.text((LEFT + RIGHT) / 2, HEIGHT - 14, "step", SMALL, INK, "ms")
    canvas.line([(LEFT, TOP), (LEFT, BOTTOM), (RIGHT, BOTTOM)], DIM)


def draw_steps(canvas: Canvas, axes: Axes, steps: list[float], active: range) -> None:
    points = [(axes.x(i), axes.y(sigma)) for i, sigma in enumerate(steps)]
    if len(points) > 1:
        canvas.line(points, IDLE, 3)
    radius = min(11.0, 0.36 * (RIGHT - LEFT) / len(steps))
    for i, (x, y) in enumerate(points):
        if i not in active:
            canvas.dot(x, y, max(1.75, 0.7 * radius), IDLE)
    for i in active:  # after the idle ones, and large enough to find one of a thousand
        canvas.dot(*points[i], max(SMALLEST_DOT, radius), ACTIVE)


def plot(
    sigmas: list[float], window: SigmaWindow, active: range, title: str, bounds: tuple[str, str], subtitle: str
) -> torch.Tensor:
    """The schedule with the window shaded and the active steps marked: IMAGE [1, HEIGHT, WIDTH, 3].

    `sigmas` are a schedule, whose last one, 0, begins no step. `bounds` are the window's start and end as text.
    """
    steps = sigmas[:-1]
    canvas, axes = Canvas(WIDTH, HEIGHT), Axes(steps)
    top, bottom = axes.y(window.start), axes.y(window.end)
    canvas.box(LEFT, top, RIGHT, bottom, WINDOW)
    draw_axes(canvas, axes)
    for y in (top, bottom):
        canvas.line([(LEFT, y), (RIGHT, y)], EDGE, 3)
    draw_steps(canvas, axes, steps, active)
    wide, half = WIDTH - 72, WIDTH // 2 - 50
    canvas.text(36, 22, title, TITLE, INK, widest=wide)
    canvas.text(36, 80, f"sigma_start {bounds[0]}", TEXT, ACTIVE, widest=half)
    canvas.text(WIDTH // 2 + 14, 80, f"sigma_end {bounds[1]}", TEXT, ACTIVE, widest=half)
    canvas.text(36, 132, subtitle, SMALL, DIM, widest=wide)
    return canvas.to_image()
