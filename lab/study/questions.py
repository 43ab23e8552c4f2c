"""What the study asks: the settings of each question, the essential ones first.

A setting is sampled once, however many questions it answers. Its name says all that differs from the plain model.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

MANY, FEW = 10_000, 2_000  # pictures a setting
ARITHMETIC = "float16"  # of the UNet; what ComfyUI runs SD in. The models' weights are bf16 and lose nothing in it
STEPS, CFG, SCALE = 20, 2.0, 1.0  # of the questions that vary something else
SCALES = (1.0, 0.5, -0.5, 1.5, 0.25, 0.75)
THIRD = 7  # steps of a sliding window: a third of 20, rounded up
EARLY, MIDDLE, LATE = (0, 7), (7, 14), (13, 20)
BETWEEN = ((2, 9), (4, 11), (9, 16), (11, 18))  # the other sliding windows
DELAYED = ((10, 20), (7, 20), (0, 13))  # longer ones
INTERVAL = (5.42, 0.28)  # Kynkäänniemi et al., arXiv 2404.07724, found for CFG
INTERVAL_STEPS = (4, 18)  # what it holds of 20 steps
# A name says these where they are not as they are by default.
VARIED = ("blur_sigma", "threshold", "masking", "every", "fade", "rescale", "form", "detail")

# Of plan.md: the cfg of each world, and the dose that is decided on.
PLANNED_CFG = {"fashion": 2.0, "emoji": 8.0, "wesnoth": 8.0}
CFGS_TRIED = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0)  # on wesnoth, to find its own
DOSE = {"scale": 0.5, "detail": 0.5, "active": LATE, "form": "detail smoothed by 0.7"}
LAST = ((16, 20), (18, 20))  # steps of yet shorter windows
UNSHARP = (0.1, 0.25, 0.5)  # strengths of the control that needs no UNet call
PAG_SCALE = 2.0


@dataclass(frozen=True)
class Setting:
    """One way to sample; the defaults are the plain model at cfg 2."""

    world: str
    scale: float = 0.0
    cfg: float = CFG
    steps: int = STEPS
    conditional: bool = True
    active: tuple[int, int] | None = None  # steps that the window holds, from 0, the end not included; None: all
    sigmas: tuple[float, float] | None = None  # or the window itself, sigma_start and sigma_end
    blur_sigma: float = 2.0
    threshold: float = 1.0
    masking: str = "attention"
    every: int = 1
    fade: str = "none"
    rescale: float = 0.0
    rescale_mode: str = "full"
    form: str = "sag"  # of guidance, one of forms.FORMS; "sag" is the pack's own
    detail: float = 0.0
    cfg_like: str = ""  # take cfg from the effective scale of the setting of this name,
    cfg_by: str = ""  # measured by its norm or by its part parallel to CFG
    count: int = FEW

    @property
    def name(self) -> str:
        prompt = f"cfg {self.cfg:g}" if self.conditional else "unconditional"
        parts = [self.world, f"cfg as {self.cfg_by} of ({self.cfg_like})" if self.cfg_like else prompt]
        parts.append(f"scale {self.scale:g}")
        if self.active:
            parts.append(f"steps {self.active[0]} to {self.active[1]}")
        if self.sigmas:
            parts.append(f"sigma {self.sigmas[0]:g} to {self.sigmas[1]:g}")
        parts += [f"{field} {getattr(self, field)}" for field in self.varied()]
        if self.rescale:
            parts.append(self.rescale_mode)
        return ", ".join([*parts, f"{self.steps} steps", f"{self.count} pictures"])

    def varied(self, fields: tuple[str, ...] = VARIED) -> list[str]:
        """Those of `fields` that are not as they are by default."""
        return [name for name in fields if getattr(self, name) != getattr(Setting(self.world), name)]

    @property
    def plain(self) -> Setting:
        """The same without guidance: what it is held against."""
        return Setting(self.world, 0.0, self.cfg, self.steps, self.conditional, count=self.count)

    @property
    def evaluations(self) -> float:
        """UNet evaluations a picture, about; for estimates of time."""
        prompts = 2 if self.conditional and self.cfg != 1 else 1
        share = (self.active[1] - self.active[0]) / self.steps if self.active else 1.0
        return self.steps * (prompts + (share / self.every if self.scale else 0.0))


def with_plain(settings: list[Setting]) -> list[Setting]:
    """The settings, each after the plain one that it is held against."""
    return list(dict.fromkeys(s for setting in settings for s in (setting.plain, setting)))


def variants(base: Setting, **values: tuple) -> list[Setting]:
    """`base`, then with each of the values of each field."""
    return [base, *(replace(base, **{name: value}) for name, own in values.items() for value in own)]


def scales(world: str, cfgs: tuple[float, ...], unconditional: bool, count: int) -> list[Setting]:
    """(a) The scale, at every cfg."""
    bases = [Setting(world, cfg=cfg, count=count) for cfg in cfgs]
    if unconditional:
        bases.insert(2, Setting(world, cfg=1.0, conditional=False, count=count))
    return [setting for base in bases for setting in variants(base, scale=SCALES)]


def windows(world: str, cfgs: tuple[float, ...], count: int) -> list[Setting]:
    """(b) The window: thirds first, then delays, then the windows between."""
    asked = []
    for cfg in cfgs:
        always = Setting(world, SCALE, cfg, count=count)
        asked += variants(always, active=(EARLY, MIDDLE, LATE, *DELAYED), sigmas=(INTERVAL,))
        asked += variants(always, active=BETWEEN)
    return with_plain(asked)


def against_cfg(world: str, count: int) -> list[Setting]:
    """(e) Plain CFG at the same cost (more steps) and at the same effective scale, or both."""
    asked: list[Setting] = []
    for scale in (SCALE, 0.5):
        sag = Setting(world, scale, count=count)
        same_norm = Setting(world, cfg=0.0, cfg_like=sag.name, cfg_by="norm", count=count)
        more = {"steps": STEPS * 3 // 2}
        asked += [sag.plain, sag, replace(sag.plain, **more)]
        asked += [same_norm, replace(same_norm, **more), replace(same_norm, cfg_by="parallel")]
    return list(dict.fromkeys(asked))


def forms_and_doses(world: str) -> list[Setting]:
    """What the plan chooses from, the most likely first; each strength of the free control."""
    base = Setting(world, **DOSE, cfg=PLANNED_CFG[world])
    strong = replace(base, scale=1.0)
    free = replace(base, form="unsharp smoothed by 0.7", detail=1.0)
    asked = [base, strong, replace(base, form="all smoothed by 1"), replace(strong, form="all smoothed by 1")]
    asked += [replace(free, scale=strength) for strength in UNSHARP]
    asked += variants(base, active=(LAST[0], (10, 20)), detail=(0.35, 0.7), form=("detail", "all smoothed by 0.7"))
    asked += variants(base, scale=(0.25, 0.75), form=("detail smoothed by 1", "detail smoothed by 0.5"))
    asked += [replace(strong, active=LAST[0]), replace(strong, detail=0.35), replace(free, scale=0.2, form="unsharp")]
    asked += [replace(base, scale=PAG_SCALE, form="pag", detail=0.0)]
    return with_plain(asked)


def planned(world: str, count: int | None = None) -> tuple[Setting, Setting]:
    """Without guidance, and with plan.md's dose."""
    plain = Setting(world, cfg=PLANNED_CFG[world], count=count or (MANY if world == "fashion" else FEW))
    return plain, replace(plain, **DOSE)


def free_controls(world: str) -> list[Setting]:
    """What needs no second look of the UNet: the unsharp mask alone, and more steps for the dose's calls."""
    plain, dose = planned(world)
    unsharp = replace(dose, form="unsharp smoothed by 0.7", detail=1.0)
    return [*(replace(unsharp, scale=strength) for strength in UNSHARP), replace(plain, steps=STEPS * 3 // 2)]


def deciding(world: str) -> list[Setting]:
    """The rows of plan.md: no guidance, the dose, the free controls, the paper's and PAG; then when and where."""
    plain, dose = planned(world)
    asked = [plain, dose, *free_controls(world), replace(plain, scale=0.5)]
    asked += [replace(plain, scale=PAG_SCALE, active=dose.active, form="pag")]
    asked += [replace(dose, active=steps) for steps in LAST]
    plain, dose = planned(world, FEW)
    asked += [plain, *variants(dose, active=(EARLY, MIDDLE), masking=("random", "inverse"), threshold=(0.0,))]
    return list(dict.fromkeys(asked))


def questions(world: str) -> dict[str, list[Setting]]:
    """Every question that is asked of a world, by its letter, its settings in order of importance."""
    chosen = {"choose": forms_and_doses(world), "decide": deciding(world)}
    if world == "wesnoth":
        return chosen | {"sweep": [Setting(world, cfg=cfg) for cfg in CFGS_TRIED]}  # before the plan is complete
    if world == "emoji":
        return chosen | {"a": scales(world, (3.0, 1.5), False, FEW), "b": windows(world, (3.0,), FEW)}
    base, fried = Setting(world, SCALE), Setting(world, 1.5, 3.0)
    rescaled = [replace(fried, rescale=1.0), replace(fried, rescale=0.5)]
    return chosen | {
        "a": scales(world, (2.0, 1.0, 1.5, 3.0), True, MANY),
        "b": windows(world, (2.0, 1.0), MANY),
        # width of the blur, and threshold of the mask
        "c": with_plain(variants(base, blur_sigma=(0.5, 1.0, 4.0, 10.0), threshold=(0.0, 0.5, 1.5, 2.0))),
        # where to blur, as in the ablation of the SAG paper
        "d": with_plain(variants(base, threshold=(0.0,), masking=("random", "inverse"))),
        "e": against_cfg(world, MANY),
        "f": with_plain([replace(base, steps=steps) for steps in (8, 50, 6, 10, 20)]),
        # every, fade, and rescale where contrast is high
        "g": with_plain([*variants(base, every=(2, 3, 4), fade=("in", "out", "in and out")), fried, *rescaled,
                         replace(fried, rescale=1.0, rescale_mode="partial")]),
    }  # fmt: skip


def in_order(world: str, names: Iterable[str]) -> list[Setting]:
    """The settings of the questions of these names, each once."""
    asked = questions(world)
    return list(dict.fromkeys(setting for name in names for setting in asked[name]))
