"""What the study asks: the settings of each question, the essential ones first.

A setting is sampled once, however many questions it answers. Its name says all that differs from the plain model.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import product

MANY, FEW = 10_000, 2_000  # pictures a setting
ARITHMETIC = "float16"  # of the UNet; what ComfyUI runs SD in. The models' weights are bf16 and lose nothing in it
STEPS = 20
EARLY, MIDDLE, LATE = (0, 7), (7, 14), (13, 20)  # thirds of 20 steps, rounded up; the end is not included
LAST = ((16, 20), (18, 20))  # yet shorter windows
# A name says these where they are not as they are by default.
VARIED = ("threshold", "masking", "form", "detail", "sampler")
SCHEDULERS = {"euler": "normal", "dpmpp_2m": "karras"}  # of each sampler

# Of plan.md: the cfg of each world, and the dose that is decided on.
PLANNED_CFG = {"wesnoth": 8.0, "fashion": 2.0, "emoji": 8.0}
CFGS_TRIED = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0)  # on wesnoth, to find its own
# The dose was sampled before the node had it, as a form among others. Its rows keep that name, and the node does it.
SHIPPED_DETAIL = "detail smoothed by 0.7"
DOSE = {"scale": 0.5, "detail": 0.5, "active": LATE, "form": SHIPPED_DETAIL}
UNSHARP = (0.1, 0.25, 0.5)  # strengths of the control that needs no UNet call
PAG_SCALE = 2.0
# Photographs: the cfgs tried without guidance, the one for Euler that they gave, and what of SEG is chosen from.
PHOTOGRAPHS, PHOTOGRAPHS_MANY = "photographs", 5_000
PHOTOGRAPH_CFGS, EULER_CFG = (1.0, 1.25, 1.5, 2.0, 3.0), 1.25
SEG_WIDTHS, SEG_SCALES, SEG_WINDOWS = ("seg 1", "seg 3", "seg mean"), (1.0, 2.0, 3.0, 5.0), (None, EARLY, MIDDLE, LATE)


@dataclass(frozen=True)
class Setting:
    """One way to sample; the defaults are the plain model at cfg 2."""

    world: str
    scale: float = 0.0
    cfg: float = 2.0
    steps: int = STEPS
    active: tuple[int, int] | None = None  # steps that the window holds, from 0, the end not included; None: all
    threshold: float = 1.0
    masking: str = "attention"
    form: str = "sag"  # of guidance: one of forms.FORMS or PERTURBED, or the node's own, "sag" or SHIPPED_DETAIL
    detail: float = 0.0
    sampler: str = "euler"  # one of SCHEDULERS
    count: int = FEW

    @property
    def name(self) -> str:
        parts = [self.world, f"cfg {self.cfg:g}", f"scale {self.scale:g}"]
        if self.active:
            parts.append(f"steps {self.active[0]} to {self.active[1]}")
        parts += [f"{field} {getattr(self, field)}" for field in self.varied()]
        return ", ".join([*parts, f"{self.steps} steps", f"{self.count} pictures"])

    def varied(self, fields: tuple[str, ...] = VARIED) -> list[str]:
        """Those of `fields` that are not as they are by default."""
        return [name for name in fields if getattr(self, name) != getattr(Setting(self.world), name)]

    @property
    def plain(self) -> Setting:
        """The same without guidance: what it is held against."""
        return Setting(self.world, cfg=self.cfg, steps=self.steps, count=self.count, sampler=self.sampler)

    @property
    def evaluations(self) -> float:
        """UNet evaluations a picture, about; for estimates of time."""
        share = (self.active[1] - self.active[0]) / self.steps if self.active else 1.0
        return self.steps * (1 + (self.cfg != 1) + (share if self.scale else 0.0))


def variants(base: Setting, **values: tuple) -> list[Setting]:
    """`base`, then with each of the values of each field."""
    return [base, *(replace(base, **{name: value}) for name, own in values.items() for value in own)]


def forms_and_doses(world: str) -> list[Setting]:
    """What the plan chooses from, the most likely first; each strength of the free control."""
    base = Setting(world, **DOSE, cfg=PLANNED_CFG[world])
    strong = replace(base, scale=1.0)
    free = replace(base, form="unsharp smoothed by 0.7", detail=1.0)
    asked = [base.plain, base, strong]
    asked += [replace(base, form="all smoothed by 1"), replace(strong, form="all smoothed by 1")]
    asked += [replace(free, scale=strength) for strength in UNSHARP]
    asked += variants(base, active=(LAST[0], (10, 20)), detail=(0.35, 0.7), form=("detail", "all smoothed by 0.7"))
    asked += variants(base, scale=(0.25, 0.75), form=("detail smoothed by 1", "detail smoothed by 0.5"))
    asked += [replace(strong, active=LAST[0]), replace(strong, detail=0.35), replace(free, scale=0.2, form="unsharp")]
    return list(dict.fromkeys([*asked, replace(base, scale=PAG_SCALE, form="pag", detail=0.0)]))


def planned(world: str, count: int | None = None) -> tuple[Setting, Setting]:
    """Without guidance, and with plan.md's dose."""
    plain = Setting(world, cfg=PLANNED_CFG[world], count=count or (MANY if world == "fashion" else FEW))
    return plain, replace(plain, **DOSE)


def free_controls(world: str) -> dict[str, Setting]:
    """What needs no second look of the UNet: the unsharp mask alone, and more steps for the dose's calls."""
    plain, dose = planned(world)
    unsharp = replace(dose, form="unsharp smoothed by 0.7", detail=1.0)
    found = {f"unsharp mask {strength:g}": replace(unsharp, scale=strength) for strength in UNSHARP}
    return found | {"30 steps": replace(plain, steps=30)}


def deciding(world: str) -> dict[str, Setting]:
    """The rows of plan.md, by what the text calls them, the essential ones first."""
    (plain, dose), (few, same) = planned(world), planned(world, FEW)
    return {
        "no guidance": plain, "the dose": dose, **free_controls(world), "the paper's SAG": replace(plain, scale=0.5),
        "PAG": replace(plain, scale=PAG_SCALE, active=dose.active, form="pag"),
        "last 4 steps": replace(dose, active=LAST[0]), "last 2 steps": replace(dose, active=LAST[1]),
        "no guidance, fewer": few, "the dose, fewer": same,
        "first 7 steps": replace(same, active=EARLY), "middle 7 steps": replace(same, active=MIDDLE),
        "random mask": replace(same, masking="random"), "inverse mask": replace(same, masking="inverse"),
        "no mask": replace(same, threshold=0.0),
    }  # fmt: skip


def photograph_questions() -> dict[str, list[Setting]]:
    """Of each sampler, the cfg; with Euler, what blur of attention, how strong and when."""
    bare = Setting(PHOTOGRAPHS, count=PHOTOGRAPHS_MANY)
    sweep = [replace(bare, cfg=cfg, sampler=sampler) for sampler in SCHEDULERS for cfg in PHOTOGRAPH_CFGS]
    plain = Setting(PHOTOGRAPHS, cfg=EULER_CFG)
    grid = product(SEG_WIDTHS, SEG_SCALES, SEG_WINDOWS)
    seg = [replace(plain, form=width, scale=scale, active=active) for width, scale, active in grid]
    return {"sweep": sweep, "choose": [plain, *seg]}


def questions(world: str) -> dict[str, list[Setting]]:
    """Every question that is asked of a world, its settings in order of importance."""
    if world == PHOTOGRAPHS:
        return photograph_questions()
    decide = list(dict.fromkeys(deciding(world).values()))
    if world == "wesnoth":
        return {"sweep": [Setting(world, cfg=cfg) for cfg in CFGS_TRIED], "decide": decide}
    return {"choose": forms_and_doses(world), "decide": decide}  # chosen on what was looked at before


def in_order(world: str, names: Iterable[str]) -> list[Setting]:
    """The settings of the questions of these names, each once."""
    asked = questions(world)
    return list(dict.fromkeys(setting for name in names for setting in asked[name]))
