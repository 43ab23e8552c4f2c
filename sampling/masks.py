"""The masks of the last runs, kept for the mask preview: the one thing that outlives a run, but for a line of text.

A `MaskStore` belongs to the MODEL that a SAG node gives out, and all its clones share it. It holds the last few runs
of each of the last few latent shapes, eight pixels to a byte: 512 bytes for a step of a 512 x 512 picture.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import torch

MASK_STORE = "sag_delayed_activation masks"  # in model_options
MOST_UNPACKED = 2**24  # pixels of a byte each; if a run has more on the device, it packs them
SHAPES_KEPT = 4  # a base and its enlargements are sampled with one MODEL
RUNS_KEPT = 4  # of each shape: the host may have kept the latents of a few seeds
STEP_TOLERANCE = 1e-4  # relative: sigmas that are nearer than this are those of one step


def fingerprint(latent: torch.Tensor) -> int:
    """A number that tells this latent from others. It is hashed as float16: the host may hand latents on as that."""
    return hash(latent.detach().to("cpu", torch.float16).numpy().tobytes())


class PackedMask:
    """A boolean mask [B, h, w]. It stays on its device until it is asked for or the run ends; then it is packed."""

    def __init__(self, mask: torch.Tensor) -> None:
        """`mask` is [B, 1, h, w], on any device."""
        self.shape = (mask.shape[0], *mask.shape[-2:])
        self.packed = np.empty(0, dtype=np.uint8)  # until it is packed
        self.mask: torch.Tensor | None = mask

    def pack(self) -> None:
        """Pack the mask; waits for its device."""
        if self.mask is not None:
            self.packed = np.packbits(self.mask.cpu().numpy().reshape(-1))
            self.mask = None

    def unpacked(self) -> np.ndarray:
        """Boolean [B, h, w]."""
        self.pack()
        return np.unpackbits(self.packed, count=math.prod(self.shape)).reshape(self.shape).astype(bool)


class StepMask(NamedTuple):
    """The mask with which one SAG node guided one evaluation of the model."""

    evaluation: int  # its number in the run, from 0
    sigma: float
    mask: PackedMask
    node: int = 0  # its number among the run's SAG nodes, from 0
    reused: bool = False  # guidance and mask are those of an earlier evaluation


class RunMasks:
    """What the preview shows of one run: its masks, and the sigmas and lines that go with them."""

    def __init__(self, schedule: list[float]) -> None:
        """`schedule` are the run's sigmas, [steps + 1]."""
        self.schedule = schedule
        self.steps: list[StepMask] = []
        self.sigmas: list[float] = []  # of every evaluation, also of those on which nothing acted
        self.lines: list[str] = []  # what each SAG node says that it did
        self.result = 0  # fingerprint of the latent that it gave
        self._unpacked: list[PackedMask] = []
        self._pixels = 0  # of them

    def add(self, step: StepMask) -> None:
        """Keep one more mask; on its device, as long as there are few: to pack one is to wait for the device."""
        self.steps.append(step)
        self._unpacked.append(step.mask)
        self._pixels += math.prod(step.mask.shape)
        if self._pixels > MOST_UNPACKED:
            self.settle()

    def settle(self) -> None:
        """Pack all masks, and let go of all tensors. Waits for the device."""
        for mask in self._unpacked:
            mask.pack()
        self._unpacked, self._pixels = [], 0

    def step_of(self, evaluation: int) -> int | None:
        """The step, from 0, that begins with this evaluation; None for those that a sampler makes inside a step.

        heun and its like end a step at the next one's sigma. Of several in a row at one sigma, the last begins a step.
        """
        sigma, *following = self.sigmas[evaluation : evaluation + 2]
        if following and is_same_step(following[0], sigma):
            return None
        return next((i for i, s in enumerate(self.schedule[:-1]) if is_same_step(s, sigma)), None)

    def distinct(self) -> list[StepMask]:
        """The steps that acted; if several nodes guided one evaluation by the same mask, only the first of these."""
        first: dict[tuple[int, bytes], StepMask] = {}
        for step in self.steps:
            first.setdefault((step.evaluation, step.mask.packed.tobytes()), step)
        return list(first.values())


def is_same_step(sigma: float, other: float) -> bool:
    return math.isclose(sigma, other, rel_tol=STEP_TOLERANCE)


class MaskStore:
    """The last runs of a MODEL. Shared by it and all its clones, however the host copies them."""

    def __init__(self) -> None:
        self.runs: dict[tuple[int, ...], list[RunMasks]] = {}  # by the shape of their latents, the newest last

    def __deepcopy__(self, _: dict[int, Any]) -> MaskStore:
        """ComfyUI before 0.14 clones by deep copies; the preview's clone must still reach the sampler's masks."""
        return self

    def keep(self, run: RunMasks, latent: torch.Tensor) -> None:
        """Keep a run that is over, with the latent [B, C, h, w] that it gave."""
        shape, run.result = tuple(latent.shape), fingerprint(latent)
        self.runs[shape] = [*self.runs.pop(shape, []), run][-RUNS_KEPT:]
        for oldest in list(self.runs)[:-SHAPES_KEPT]:
            del self.runs[oldest]

    def run_of(self, latent: torch.Tensor) -> tuple[RunMasks | None, bool]:
        """The run that gave this latent [B, C, h, w], and True; else the newest of that shape or None, and False."""
        runs = self.runs.get(tuple(latent.shape))
        if not runs:
            return None, False
        wanted = fingerprint(latent)
        gave = next((run for run in reversed(runs) if run.result == wanted), None)
        return gave or runs[-1], gave is not None
