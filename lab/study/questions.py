"""What the study asks: the settings of each question, the essential ones first.

A setting is sampled once, however many questions it answers. Its name says all that differs from the plain model.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import product

MANY, FEW = 5_000, 2_000  # pictures a setting
ARITHMETIC = "float16"  # of the UNet; what ComfyUI runs SD in. The models' weights are bf16 and lose nothing in it
STEPS = 20
EARLY, MIDDLE, LATE = (0, 7), (7, 14), (13, 20)  # thirds of 20 steps, rounded up; the end is not included
VARIED = ("form", "detail", "sampler")  # a name says these where they are not as they are by default
SCHEDULERS = {"euler": "normal", "dpmpp_2m": "karras"}  # of each sampler

# Of plan.md: the worlds, the cfg for Euler on those where the dose is chosen, and what of SEG it is chosen from.
PHOTOGRAPHS, WORLDS = "photographs", ("fashion", "wesnoth", "photographs")
CHOSEN_ON = {"fashion": 2.0, PHOTOGRAPHS: 1.25}
PHOTOGRAPH_CFGS = (1.0, 1.25, 1.5, 2.0, 3.0)  # tried without guidance
SEG_WIDTHS, SEG_SCALES, SEG_WINDOWS = ("seg 1", "seg 3", "seg mean"), (1.0, 2.0, 3.0, 5.0), (None, EARLY, MIDDLE, LATE)


@dataclass(frozen=True)
class Setting:
    """One way to sample; the defaults are the plain model at cfg 2."""

    world: str
    scale: float = 0.0
    cfg: float = 2.0
    steps: int = STEPS
    active: tuple[int, int] | None = None  # steps that the window holds, from 0, the end not included; None: all
    form: str = "sag"  # of guidance: the node's own, or one of forms.UNSHARP and forms.PERTURBED
    detail: float = 0.0
    sampler: str = "euler"  # one of SCHEDULERS
    count: int = FEW

    @property
    def name(self) -> str:
        parts = [self.world, f"cfg {self.cfg:g}", f"scale {self.scale:g}"]
        if self.active:
            parts.append(f"steps {self.active[0]} to {self.active[1]}")
        own = {field: getattr(self, field) for field in VARIED}
        parts += [f"{field} {value}" for field, value in own.items() if value != getattr(Setting, field)]
        return ", ".join([*parts, f"{self.steps} steps", f"{self.count} pictures"])

    @property
    def plain(self) -> Setting:
        """The same without guidance: what it is held against."""
        return Setting(self.world, cfg=self.cfg, steps=self.steps, count=self.count, sampler=self.sampler)

    @property
    def evaluations(self) -> float:
        """UNet evaluations a picture, about; for estimates of time."""
        share = (self.active[1] - self.active[0]) / self.steps if self.active else 1.0
        return self.steps * (1 + (self.cfg != 1) + (share if self.scale else 0.0))


def sweep() -> list[Setting]:
    """Photographs without guidance, at each cfg in each sampler."""
    bare = Setting(PHOTOGRAPHS, count=MANY)
    return [replace(bare, cfg=cfg, sampler=sampler) for sampler in SCHEDULERS for cfg in PHOTOGRAPH_CFGS]


def doses(world: str) -> list[Setting]:
    """With Euler, without guidance, and what blur of attention, how strong and when."""
    plain, grid = Setting(world, cfg=CHOSEN_ON[world]), product(SEG_WIDTHS, SEG_SCALES, SEG_WINDOWS)
    return [plain, *(replace(plain, form=width, scale=scale, active=active) for width, scale, active in grid)]


def questions(world: str) -> dict[str, list[Setting]]:
    """Every question that is asked of a world, its settings in order of importance."""
    asked = {"choose": doses(world)} if world in CHOSEN_ON else {}
    return {"sweep": sweep(), **asked} if world == PHOTOGRAPHS else asked


def in_order(world: str, names: Iterable[str]) -> list[Setting]:
    """The settings of the questions of these names, each once."""
    asked = questions(world)
    return list(dict.fromkeys(setting for name in names for setting in asked[name]))
