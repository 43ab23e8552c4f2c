"""What the study asks: the settings of each question, the essential ones first.

A setting is sampled once, however many questions it answers. Its name says all that differs from the plain model.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import product
from statistics import mean

Distances = Mapping[str, Mapping[str, float]]  # of rows by name: the distance in each of EYES

MANY, FEW = 5_000, 2_000  # pictures a setting
STEPS = 20
EARLY, MIDDLE, LATE = (0, 7), (7, 14), (13, 20)  # thirds of 20 steps, rounded up; the end is not included
EYES = ("frechet", "frechet_imagenet")  # the distance in each feature space that decides
VARIED = ("form", "detail", "sampler", "noise")  # a name says these where they are not as they are by default
SCHEDULERS = {"euler": "normal", "dpmpp_2m": "karras"}  # of each sampler

# Of plan.md: the worlds, the cfg for Euler on those where the dose is chosen, and what of SEG it is chosen from.
PHOTOGRAPHS, UNITS = "photographs", "wesnoth"
WORLDS = ("fashion", UNITS, PHOTOGRAPHS)
CHOSEN_ON = {"fashion": 2.0, PHOTOGRAPHS: 1.25}
PHOTOGRAPH_CFGS = (1.0, 1.25, 1.5, 2.0, 3.0)  # tried without guidance
SEG_WIDTHS, SEG_SCALES, SEG_WINDOWS = ("seg 1", "seg 3", "seg mean"), (1.0, 2.0, 3.0, 5.0), (None, EARLY, MIDDLE, LATE)
# Where it is decided: the cfg, those one step of the sweep lower and higher, and how many pictures a row.
DECIDED_ON = {PHOTOGRAPHS: (1.25, (1.0, 1.5), MANY), UNITS: (8.0, (6.0, 10.0), FEW)}
DECIDING_SAMPLER, DECIDING_NOISE = "dpmpp_2m", 2
UNSHARP_SCALES, PAG_SCALES, SAG_SCALES = (0.1, 0.25, 0.5), (1.0, 2.0, 3.0), (0.5, -0.25, 0.25, -0.5)
UNSHARP_WIDTH = 0.7  # latent pixels
UNSHARP = f"unsharp smoothed by {UNSHARP_WIDTH}"


@dataclass(frozen=True)
class Setting:
    """One way to sample; the defaults are the plain model at cfg 2."""

    world: str
    scale: float = 0.0
    cfg: float = 2.0
    steps: int = STEPS
    active: tuple[int, int] | None = None  # steps that the window holds, from 0, the end not included; None: all
    form: str = "sag"  # of guidance: the node's own, or UNSHARP, or one of forms.PERTURBED
    detail: float = 0.0
    sampler: str = "euler"  # one of SCHEDULERS
    noise: int = 1  # rows of other noise share nothing but the model
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
        return replace(self, scale=0.0, active=None, form=Setting.form, detail=0.0)

    @property
    def evaluations(self) -> float:
        """UNet evaluations a picture, about: of equals the dose with fewer is chosen."""
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


def gain(distances: Distances, setting: Setting) -> float:
    """By how much of itself the distance falls, in the feature space where that is less."""
    own, plain = distances[setting.name], distances[setting.plain.name]
    return min(1 - own[eye] / plain[eye] for eye in EYES)


def chosen(distances: Distances) -> Setting:
    """The dose, by plan.md's rule; as it stands among photographs' doses."""

    def order(dose: Setting) -> tuple[float, ...]:
        both = [gain(distances, replace(dose, world=world, cfg=cfg)) for world, cfg in CHOSEN_ON.items()]
        return -round(mean(both), 3), dose.evaluations, dose.scale, SEG_WIDTHS.index(dose.form)

    return min(doses(PHOTOGRAPHS)[1:], key=order)


def decided(world: str, dose: Setting) -> Setting:
    """The dose, as it is sampled where it is decided."""
    cfg, _, count = DECIDED_ON[world]
    return replace(dose, world=world, cfg=cfg, count=count, sampler=DECIDING_SAMPLER, noise=DECIDING_NOISE)


def controls(dose: Setting) -> list[Setting]:
    """What costs no second look at the model."""
    plain, (_, cfgs, _) = dose.plain, DECIDED_ON[dose.world]
    unsharp = [replace(dose, form=UNSHARP, scale=scale) for scale in UNSHARP_SCALES]
    return [replace(plain, steps=30), *(replace(plain, cfg=cfg) for cfg in cfgs), *unsharp]


def peers(dose: Setting) -> list[Setting]:
    """PAG in the dose's steps."""
    return [replace(dose, form="pag", scale=scale) for scale in PAG_SCALES]


def beside(dose: Setting) -> list[Setting]:
    """What decides nothing, in one sampler: the node's own guidance, and the dose of `detail`."""
    plain = dose.plain
    sag = [replace(plain, scale=scale) for scale in SAG_SCALES]
    middle = [replace(plain, scale=scale, active=MIDDLE) for scale in (0.5, -0.5)]
    return [plain, *sag, *middle, replace(plain, scale=0.5, detail=0.5, active=LATE), dose]


def questions(world: str, dose: Setting | None = None) -> dict[str, list[Setting]]:
    """Every question that is asked of a world, its settings in order of importance; of a dose, if it is known."""
    asked = {"sweep": sweep()} if world == PHOTOGRAPHS else {}
    if world in CHOSEN_ON:
        asked["choose"] = doses(world)
    if world in DECIDED_ON and dose:
        own = decided(world, dose)
        asked["decide"] = [own.plain, own, *controls(own), *peers(own)]
        asked["beside"] = [*beside(own), *beside(replace(own, sampler="euler"))]
    return asked


def in_order(world: str, names: Iterable[str], dose: Setting | None = None) -> list[Setting]:
    """The settings of the questions of these names, each once."""
    asked = questions(world, dose)
    return list(dict.fromkeys(setting for name in names for setting in asked[name]))
