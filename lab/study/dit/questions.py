"""What is asked of the DiTs, in the order of plan.md. Each question's settings follow from what the ones before gave.

`distances(setting)` gives a setting's Fréchet distances, one for each feature space, and waits until they are known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial

from lab.study.questions import EARLY, FEW, LAST, LATE, MIDDLE, SHIPPED_DETAIL, UNSHARP, Setting

BLOCKS = 8
GUESS = BLOCKS // 2  # the block that would be read if none were known to be better
SKIP = "skip"  # the form that is the host's SkipLayerGuidanceDiT
CFGS = {"fashion": (1.0, 1.5, 2.0, 3.0, 4.0), "wesnoth": (1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0)}
SCALES, DETAILS, WINDOWS = (0.25, 0.5, 1.0), (0.0, 0.5, 1.0), (None, EARLY, MIDDLE, LATE)
SKIP_SCALES = (0.5, 2.0, 3.0)  # beside 1; 3 is the host's default
UNSHARP_FORM = "unsharp smoothed by 0.7"

Distances = Callable[["DiTSetting"], tuple[float, float]]


@dataclass(frozen=True)
class DiTSetting(Setting):
    """One way to sample with a DiT; `block` is read, or for SKIP is left out."""

    block: int | None = None

    @property
    def name(self) -> str:
        return super().name + ("" if self.block is None else f", block {self.block}")

    @property
    def plain(self) -> DiTSetting:
        return DiTSetting(self.world, cfg=self.cfg, steps=self.steps, count=self.count)


def cfgs(world: str, distances: Distances | None = None) -> list[DiTSetting]:
    return [DiTSetting(world, cfg=cfg, count=FEW) for cfg in CFGS[world]]


def plain(world: str, distances: Distances) -> DiTSetting:
    """No guidance, at the cfg with the lowest distance in the classifier's features."""
    return min(cfgs(world), key=lambda setting: distances(setting)[0])


def best(settings: Iterable[DiTSetting], distances: Distances) -> DiTSetting:
    """The one that gains most where it gains least: of its two distances over those without guidance, the larger."""

    def worst(setting: DiTSetting) -> float:
        return max(own / bare for own, bare in zip(distances(setting), distances(setting.plain), strict=True))

    return min(settings, key=worst)


def guided(base: DiTSetting, scale: float, detail: float, active: tuple[int, int] | None, block: int) -> DiTSetting:
    form = SHIPPED_DETAIL if detail else "sag"
    return replace(base, scale=scale, detail=detail, active=active, block=block, form=form)


def blocks(distances: Distances) -> list[DiTSetting]:
    """Every block, at the small dose of the study of UNets and at the paper's SAG."""
    base, found = plain("fashion", distances), []
    for dose in ((0.5, 0.5, LATE), (0.5, 0.0, None)):
        found += [guided(base, *dose, block) for block in range(BLOCKS)]
    return found


def doses(distances: Distances) -> list[DiTSetting]:
    """Scale x detail x window, at the best block and at the guess."""
    base, block = plain("fashion", distances), best(blocks(distances), distances).block
    grid = [(scale, detail, window) for window in WINDOWS for detail in DETAILS for scale in SCALES]
    return [guided(base, *dose, own) for own in dict.fromkeys((block, GUESS)) for dose in grid]


def chosen(distances: Distances) -> DiTSetting:
    """The dose, on garments."""
    return best([*blocks(distances), *doses(distances)], distances)


def skips(distances: Distances) -> list[DiTSetting]:
    """The host's own guidance, which leaves one block out, in the dose's steps: every block."""
    base = replace(plain("fashion", distances), scale=1.0, active=chosen(distances).active, form=SKIP)
    return [replace(base, block=block) for block in range(BLOCKS)]


def stronger_skips(distances: Distances) -> list[DiTSetting]:
    found = best(skips(distances), distances)
    return [replace(found, scale=scale) for scale in SKIP_SCALES]


def free_controls(world: str, distances: Distances) -> dict[str, DiTSetting]:
    """What needs no second look of the model: the unsharp mask in the dose's steps and block, and more steps."""
    base, dose = plain(world, distances), chosen(distances)
    unsharp = replace(base, active=dose.active, block=dose.block, form=UNSHARP_FORM, detail=1.0)
    found = {f"unsharp mask {strength:g}": replace(unsharp, scale=strength) for strength in UNSHARP}
    return found | {"30 steps": replace(base, steps=30)}


def deciding(world: str, distances: Distances) -> dict[str, DiTSetting]:
    """The rows of plan.md, by what the text calls them."""
    base, dose = plain(world, distances), chosen(distances)
    skip = best([*skips(distances), *stronger_skips(distances)], distances)
    here = {"world": world, "cfg": base.cfg}
    return {
        "no guidance": base, "the dose": replace(dose, **here), **free_controls(world, distances),
        "SkipLayerGuidanceDiT": replace(skip, **here),
        "SkipLayerGuidanceDiT, half": replace(skip, scale=skip.scale / 2, **here),
        "the paper's SAG": guided(base, 0.5, 0.0, None, dose.block),
        "no mask": replace(dose, threshold=0.0, **here),
        "last 4 steps": replace(dose, active=LAST[0], **here),
    }  # fmt: skip


def rows_that_decide(world: str, distances: Distances) -> list[DiTSetting]:
    return list(dict.fromkeys(deciding(world, distances).values()))


# Each gives its settings, in this order.
STAGES: dict[str, list[Callable[[Distances], list[DiTSetting]]]] = {
    "fashion": [partial(cfgs, "fashion"), blocks, doses, skips, stronger_skips, partial(rows_that_decide, "fashion")],
    "wesnoth": [partial(cfgs, "wesnoth"), partial(rows_that_decide, "wesnoth")],
}
