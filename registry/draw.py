"""Draws icon.png and banner.png for the registry's page, in the pack's own colours.

    python -m registry.draw

Noise falls from step to step. In the window a step is lit and blurred, as guidance blurs there; outside it is not.
"""

from __future__ import annotations

from pathlib import Path

from drawing import ACTIVE, DIM, EDGE, FINER, IDLE, INK, WINDOW, Canvas
from PIL import Image, ImageChops, ImageDraw, ImageFilter

HERE = Path(__file__).resolve().parent
ICON = (400, 400)  # the registry: square, at most 400 pixels
BANNER = (1344, 576)  # the registry: 21:9

Point = tuple[float, float]


def steps_in(left: float, top: float, right: float, bottom: float, count: int) -> list[Point]:
    """Centres of `count` steps, falling steeply at first as sigma does."""
    shares = [n / (count - 1) for n in range(count)]
    return [(left + (right - left) * t, top + (bottom - top) * (1 - (1 - t) ** 1.8)) for t in shares]


def glow(canvas: Canvas, places: list[Point], radius: float, left: float, right: float) -> None:
    """Blurred dots: each a bright middle that fades into the window, which ends at `left` and `right`."""
    window = Image.new("L", canvas.image.size)
    ImageDraw.Draw(window).rectangle([left * FINER, 0, right * FINER, window.height], fill=255)
    for reach, soft in ((1.55, 0.55), (1.0, 0.22)):
        light = Image.new("L", canvas.image.size)
        draw = ImageDraw.Draw(light)
        for x, y in places:
            corners = [x - radius * reach, y - radius * reach, x + radius * reach, y + radius * reach]
            draw.ellipse([corner * FINER for corner in corners], fill=150 if reach > 1 else 255)
        blurred = light.filter(ImageFilter.GaussianBlur(radius * soft * FINER))
        canvas.image.paste(ACTIVE, mask=ImageChops.darker(blurred, window))


def schedule(canvas: Canvas, points: list[Point], active: range, radius: float, top: float, bottom: float) -> None:
    """The steps on their curve, the window around the `active` ones, and the dots: sharp outside, blurred inside."""
    gap = points[1][0] - points[0][0]
    left, right = points[active[0]][0] - gap / 2, points[active[-1]][0] + gap / 2
    canvas.box(left, top, right, bottom, WINDOW)
    canvas.line(points, IDLE, radius / 4)
    glow(canvas, [points[n] for n in active], radius, left, right)
    for x in (left, right):
        canvas.line([(x, top), (x, bottom)], EDGE, radius / 5)
    for n, (x, y) in enumerate(points):
        if n not in active:
            canvas.dot(x, y, radius * 0.72, IDLE)


def icon() -> Image.Image:
    canvas = Canvas(*ICON)
    points = steps_in(48, 74, 352, 318, 5)
    schedule(canvas, points, range(2, 4), 27, 0, ICON[1])
    return canvas.image.reduce(FINER)


def banner() -> Image.Image:
    canvas = Canvas(*BANNER)
    schedule(canvas, steps_in(700, 100, 1284, 470, 9), range(4, 7), 25, 0, BANNER[1])
    for line, text in enumerate(("SAG delayed", "activation")):
        canvas.text(64, 138 + 88 * line, text, 84, INK)
    for line, text in enumerate(("Self-Attention Guidance for ComfyUI", "inside a window of sigma")):
        canvas.text(66, 344 + 42 * line, text, 31, DIM)
    return canvas.image.reduce(FINER)


if __name__ == "__main__":
    for name, picture in (("icon.png", icon()), ("banner.png", banner())):
        picture.save(HERE / name, optimize=True)
