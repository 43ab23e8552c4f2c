"""Random scenes for the property-based tests.

Its words:
    scene       all that one run depends on: a UNet, prompts, a sampler, settings of the basic node
    window      where the node acts: between two sigmas; "step": at one evaluation alone; "gap": between two of them
    short       whether memory is short when the host asks, so that it evaluates prompts one by one
    own         a node of the pack in a stack, basic or advanced
    neighbours  other nodes on the MODEL, the host's or a pack's, from `neighbours.ALL`
    stack       own nodes and neighbours on one MODEL, in any order
    HIDING      neighbours that keep the negative's tokens from a node, so that it need not act
    UNLIKE      groups of neighbours that fail together, with or without the pack: a stack has one of each at most
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any
from unittest import mock

import comfy.samplers
import torch
from hypothesis import strategies as st
from neighbours import ALL
from tiny_unet import SHAPE, prompt, sample, tiny_model

from sag_delayed_activation.nodes import SelfAttentionGuidanceCustom
from sag_delayed_activation.nodes_advanced import SelfAttentionGuidanceAdvanced

# dpm_adaptive and dpm_fast take steps of their own, hundreds of them on a random UNet; the _gpu ones differ in where
# they draw noise.
SAMPLERS = [s for s in comfy.samplers.KSampler.SAMPLERS if s not in ("dpm_adaptive", "dpm_fast") and s[-4:] != "_gpu"]
SCHEDULERS = list(comfy.samplers.KSampler.SCHEDULERS)
KINDS = ["EPS", "V_PREDICTION", "FLOW"]
# Of 2 x 2, halved to one pixel, the tiny UNet's group norm would have one value a group, which it refuses.
SMALLEST_AREA = 3
UNBOUNDED = 1000.0  # as a start: no upper bound
ENDLESS_MEMORY, NO_MEMORY = 0.0, 1e30  # what a call is said to need


@dataclass(frozen=True)
class Unet:
    """What decides the UNet's shape, and the type it computes in."""

    channels: int = 32
    levels: tuple[int, ...] = (1, 2)  # channels of each, in units of `channels`
    heads: int = 4
    depth: int = 1  # of the middle block
    context: int = 16
    linear: bool = False
    kind: str = "EPS"
    dtype: torch.dtype = torch.float32


@functools.lru_cache(maxsize=32)
def built(unet: Unet):
    """The MODEL; one for all scenes with such a UNet, since none may change it."""
    levels = len(unet.levels)
    return tiny_model(
        unet.depth, unet.kind, model_channels=unet.channels, channel_mult=unet.levels, num_res_blocks=[1] * levels,
        transformer_depth=[1] * levels, transformer_depth_output=[1] * 2 * levels, context_dim=unet.context,
        use_linear_in_transformer=unet.linear, dtype=unet.dtype, num_heads=unet.heads,
    )  # fmt: skip


@dataclass(frozen=True)
class Prompt:
    """One prompt of a side. Places and sizes are parts of the latent's, so that they fit any."""

    seed: int
    tokens: int = 8
    strength: float = 1.0
    area: tuple[float, float, float, float] | None = None  # top, left, height, width
    mask: tuple[float, float, float, float] | None = None
    active: tuple[float, float] = (0.0, 1.0)  # start_percent, end_percent
    weight_hook: bool = False

    def conditioning(self, unet: Unet, size: tuple[int, int]) -> list:
        settings: dict[str, Any] = {"strength": self.strength}
        if self.area is not None:
            top, left, height, width = pixels(self.area, size)
            settings["area"] = (height, width, top, left)
        if self.mask is not None:
            top, left, height, width = pixels(self.mask, size)
            settings["mask"] = torch.zeros(1, *size)
            settings["mask"][:, top : top + height, left : left + width] = 1.0
        if self.active != (0.0, 1.0):
            settings["start_percent"], settings["end_percent"] = self.active
        if self.weight_hook:
            settings["hooks"] = weight_hook(unet)
        return prompt(self.seed, self.tokens, unet.context, **settings)


def pixels(place: tuple[float, float, float, float], size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Top, left, height and width in latent pixels, inside the frame, no side less than SMALLEST_AREA if that fits."""
    starts = [min(int(start * side), max(0, side - SMALLEST_AREA)) for start, side in zip(place[:2], size, strict=True)]
    room = [side - start for start, side in zip(starts, size, strict=True)]
    sides = [min(space, max(SMALLEST_AREA, int(p * space))) for p, space in zip(place[2:], room, strict=True)]
    return starts[0], starts[1], sides[0], sides[1]


def weight_hook(unet: Unet):
    """A hook that changes a weight of the middle block while this prompt is evaluated, as a LoRA hook does."""
    import comfy.hooks

    name = "diffusion_model.middle_block.1.transformer_blocks.0.attn2.to_v.weight"
    weight = built(unet).model.get_parameter(name)
    hook = comfy.hooks.WeightHook(strength_model=1.0)
    hook.weights, hook.need_weight_init = {name: ("diff", (torch.full(weight.shape, 0.1),))}, False
    group = comfy.hooks.HookGroup()
    group.add(hook)
    return group


@dataclass(frozen=True)
class Window:
    """Sigmas from `start` down to `end`; or, where `of` says so, chosen by the evaluations of the unpatched run."""

    start: float
    end: float = 0.0
    of: str = "sigmas"  # or "step": one evaluation's sigma alone; "gap": between two neighbouring ones

    def sigmas(self, evaluated: list[float]) -> dict[str, float]:
        """sigma_start and sigma_end; for step and gap, `start` says which of them, from 0 up to 1."""
        start, end = self.start, self.end
        levels = sorted({*evaluated, 0.0})
        if self.of == "step":
            start = end = levels[1 + int(self.start * (len(levels) - 1))]
        elif self.of == "gap":
            below = int(self.start * (len(levels) - 1))
            low, high = levels[below : below + 2]
            start, end = low + 0.7 * (high - low), low + 0.3 * (high - low)
        return {"sigma_start": start, "sigma_end": end}

    def holds(self, sigma: float, evaluated: list[float]) -> bool:
        bounds = self.sigmas(evaluated)
        return bounds["sigma_end"] <= sigma and (sigma <= bounds["sigma_start"] or bounds["sigma_start"] == UNBOUNDED)


@dataclass(frozen=True)
class Scene:
    """All that a run depends on."""

    unet: Unet = Unet()
    shape: tuple[int, int, int, int] = SHAPE
    positive: tuple[Prompt, ...] = (Prompt(1),)
    negative: tuple[Prompt, ...] = (Prompt(2),)
    sampler: str = "euler"
    scheduler: str = "normal"
    steps: int = 3
    cfg: float = 7.0
    scale: float = 0.5
    blur_sigma: float = 2.0
    window: Window = Window(UNBOUNDED)
    short: tuple[bool, ...] = (False,)  # each time that the host asks, over and over

    @property
    def model(self):
        return built(self.unet)

    def patch(self, model, evaluated: list[float]):
        """The basic node, with this scene's settings."""
        window = self.window.sigmas(evaluated)
        return SelfAttentionGuidanceCustom().patch(model, self.scale, self.blur_sigma, **window)[0]

    def sample(self, model) -> torch.Tensor:
        """The latent; the same each time."""
        torch.manual_seed(0)  # HyperTile and ToMe draw from the global dice
        asked = iter(range(10**9))

        def memory_required(*_, **__):
            return NO_MEMORY if self.short[next(asked) % len(self.short)] else ENDLESS_MEMORY

        sides = (
            [c for p in side for c in p.conditioning(self.unet, self.shape[2:])]
            for side in (self.positive, self.negative)
        )
        with mock.patch.object(model.model, "memory_required", memory_required):
            return sample(model, *sides, self.cfg, self.steps, self.shape, self.sampler, self.scheduler)


parts = st.tuples(*[st.integers(0, 7).map(lambda n: n / 8)] * 2, *[st.integers(1, 8).map(lambda n: n / 8)] * 2)
unets = st.builds(
    Unet,
    st.just(32),
    st.sampled_from([(1, 2), (1, 2, 2), (1, 2, 4)]),
    st.sampled_from([1, 2, 4, 8]),
    st.sampled_from([1, 1, 2, 3]),
    st.sampled_from([8, 16]),
    st.booleans(),
    st.sampled_from(KINDS),
)
half_unets = st.builds(Unet, depth=st.sampled_from([1, 2]), dtype=st.sampled_from([torch.bfloat16, torch.float16]))
sides = st.one_of(st.integers(5, 16), st.integers(1, 20))
shapes = st.tuples(st.integers(1, 3), st.just(4), sides, sides).filter(lambda shape: max(shape[2:]) > 2)
windows = st.one_of(
    st.just(Window(UNBOUNDED)),
    st.floats(-1, 1.3).map(lambda e: Window(round(10**e, 4))),
    st.tuples(*[st.floats(-2, 1.3).map(lambda e: round(10**e, 4))] * 2).map(lambda w: Window(max(w), min(w))),
    st.builds(Window, st.floats(0, 1, exclude_max=True), of=st.sampled_from(["step", "gap"])),
)
empty_windows = st.one_of(
    st.sampled_from([Window(999.0, 100.0), Window(1e-4)]),
    st.builds(Window, st.floats(0, 1, exclude_max=True), of=st.just("gap")),
)


def prompts(several: bool = True):
    """One side's prompts: one over the whole frame, or up to three with places, strengths and times of their own."""
    seeds, tokens = st.integers(0, 99), st.sampled_from([8, 8, 16])
    one = st.builds(Prompt, seeds, tokens).map(lambda p: (p,))
    placed = st.builds(
        Prompt,
        seeds,
        tokens,
        st.sampled_from([1.0, 0.5, 2.0, 0.01]),
        st.none() | parts,
        st.none() | parts,
        st.just((0.0, 1.0)) | st.sampled_from([(0.0, 0.5), (0.3, 1.0), (0.9, 1.0), (0.2, 0.6)]),
        st.booleans(),
    )
    return one | st.lists(placed, min_size=1, max_size=3).map(tuple) if several else one


def repeatable(scene: Scene) -> bool:
    """Whether the host's own result is a number, and the same number each time."""
    if scene.scheduler == "kl_optimal" and scene.steps == 1:
        return False  # divides by its steps less one
    # torch 2.11's convolution in bfloat16 on the CPU reads memory that nobody wrote where the tokens are 1 wide.
    return scene.unet.dtype != torch.bfloat16 or scene.shape[3] > 2


def scenes(several: bool = True, **fixed):
    """Any scene; `several` prompts with places, or one a side. `fixed` are strategies for what is not to be any."""
    return st.builds(
        Scene,
        **{
            "unet": unets,
            "shape": shapes,
            "positive": prompts(several),
            "negative": prompts(several),
            "sampler": st.sampled_from(SAMPLERS),
            "scheduler": st.sampled_from(SCHEDULERS),
            "steps": st.integers(1, 4),
            "cfg": st.sampled_from([7.0, 2.0, 4.5, 12.0, 3.0, 1.0]),
            "scale": st.sampled_from([0.5, 0.8, 1.5, 5.0, -1.0]),
            "blur_sigma": st.sampled_from([2.0, 0.3, 1.0, 10.0]),
            "window": windows,
            "short": st.just((False,)) | st.lists(st.booleans(), min_size=1, max_size=4).map(tuple),
            **fixed,
        },
    ).filter(repeatable)


@dataclass(frozen=True)
class Own:
    """One of the pack's nodes in a stack: the basic one, or the advanced with its further settings."""

    scale: float
    window: Window
    advanced: tuple[tuple[str, Any], ...] | None = None

    def patch(self, model, evaluated: list[float]):
        values = {"scale": self.scale, "blur_sigma": 2.0, **self.window.sigmas(evaluated)}
        if self.advanced is None:
            return SelfAttentionGuidanceCustom().patch(model, **values)[0]
        return SelfAttentionGuidanceAdvanced().patch(model, **values, **dict(self.advanced))[0]


# Wherever in the stack they stand.
HIDING = {
    "fixed batch", "tiled diffusion", "hypertile to the middle", "tome in the middle", "core sag", "foreign attention",
    "attention sharing", "counting replace",
}  # fmt: skip
UNLIKE = [
    {"hypertile to the middle", "tome in the middle", "hypertile", "tome", "deep shrink", "core sag"},
    {"fixed batch", "tiled diffusion", "core sag"},
    {"fixed batch", "ip adapter", "nag"},
    {"tome in the middle", "pag"},
    {"foreign attention", "attention sharing"},  # in one place
    *({"attention sharing", replace} for replace in ("counting replace", "core sag", "pag")),  # no to_q for a replace
]

advanced = st.fixed_dictionaries({
    "branch": st.sampled_from(["auto", "negative", "positive"]),
    "layer": st.sampled_from(["middle", "auto", "d0", "u0"]),
    "threshold": st.sampled_from([1.0, 0.9, 0.0]),
    "fade": st.sampled_from(["none", "in", "out", "in and out"]),
    "rescale": st.sampled_from([0.0, 0.7]),
    "every": st.sampled_from([1, 2]),
    "detail": st.sampled_from([0.0, 0.5]),
}).map(lambda settings: tuple(settings.items()))  # fmt: skip
owns = st.builds(Own, st.sampled_from([0.5, 1.5, -1.0]), windows, st.none() | advanced)
neighbours = st.lists(st.sampled_from(list(ALL)), max_size=4, unique=True).filter(
    lambda names: all(len(group & set(names)) < 2 for group in UNLIKE)
)
nodes = st.tuples(neighbours, st.lists(owns, min_size=1, max_size=3)).map(lambda both: both[0] + both[1])
# Behind it a SAG node refuses, so it comes last.
stacks = nodes.flatmap(st.permutations).map(lambda stack: sorted(stack, key=lambda node: node == "attention sharing"))
