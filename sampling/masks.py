"""The masks of the last run, kept for the mask preview: the one thing that outlives a run.

A `MaskStore` hangs on the MODEL that a SAG node gives out, and every later clone of it shares that store. It holds a
`RunMasks` for each of the last few latent shapes that were sampled: NumPy, eight pixels a byte, 512 bytes for a step
at 512 x 512.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import torch

from .cpu_copy import CpuCopy
from .run_log import RunLog

MASK_STORE = "sag_delayed_activation masks"  # in model_options
SHAPES_KEPT = 4  # a base and its enlargements are sampled with one MODEL
STEP_TOLERANCE = 1e-4  # relative: an evaluation whose sigma is nearer than this to a step's is that step


class PackedMask:
    """A boolean mask [B, h, w], packed as soon as it is on the CPU."""

    def __init__(self, mask: torch.Tensor) -> None:
        """`mask` is [B, 1, h, w]."""
        self.shape = (mask.shape[0], *mask.shape[-2:])
        self.packed = np.empty(0, dtype=np.uint8)  # until the mask has arrived
        self.on_its_way: CpuCopy | None = CpuCopy(mask)
        self.settle()

    def settle(self, wait: bool = False) -> bool:
        """Pack the mask, if it has arrived or `wait` says so; whether it is packed."""
        if self.on_its_way is not None and (wait or self.on_its_way.arrived()):
            self.packed = np.packbits(self.on_its_way.tensor().numpy().reshape(-1))
            self.on_its_way = None
        return self.on_its_way is None

    def unpacked(self) -> np.ndarray:
        """Boolean [B, h, w]."""
        self.settle(wait=True)
        return np.unpackbits(self.packed, count=math.prod(self.shape)).reshape(self.shape).astype(bool)


class StepMask(NamedTuple):
    """The mask with which one SAG node guided one evaluation of the model."""

    evaluation: int  # of the run, from 0
    sigma: float
    mask: PackedMask
    node: int = 0  # of the run's SAG nodes, in their order
    reused: bool = False  # guidance and mask are those of an earlier evaluation


class RunMasks:
    """What one run leaves behind: its masks, the sigmas of its schedule, and what its nodes say they did."""

    def __init__(self, schedule: torch.Tensor | None) -> None:
        """`schedule` is the host's sample_sigmas, [steps + 1]; None on hosts before 0.3.11."""
        self.steps: list[StepMask] = []
        self.logs: list[RunLog] = []  # one for each SAG node in the run
        self._schedule: list[float] | None = None
        self._on_its_way = None if schedule is None else CpuCopy(schedule)
        self._masks_on_their_way: list[PackedMask] = []
        self.settle()

    def add(self, step: StepMask) -> None:
        """Keep the mask of one more step, without waiting for it."""
        self.steps.append(step)
        self._masks_on_their_way.append(step.mask)
        self.settle()

    def settle(self, wait: bool = False) -> None:
        """Let go of the tensors whose copies have arrived; waits for the others only where `wait` says so."""
        if self._on_its_way is not None and (wait or self._on_its_way.arrived()):
            self.schedule()
        self._masks_on_their_way = [mask for mask in self._masks_on_their_way if not mask.settle(wait)]

    def schedule(self) -> list[float] | None:
        """The schedule's sigmas; None where the host does not say them."""
        if self._on_its_way is not None:
            self._schedule = self._on_its_way.tensor().tolist()
            self._on_its_way = None
        return self._schedule

    def sigmas(self) -> list[float]:
        """Of every evaluation, those that did not act among them."""
        return self.logs[0].sigmas

    def step_of(self, evaluation: int) -> int | None:
        """The step, from 0, that begins with this evaluation; None for a sampler's inner ones and unknown schedules.

        heun and its like end a step at the next one's sigma: of several evaluations in a row, the last begins a step.
        """
        sigma, *following = self.sigmas()[evaluation : evaluation + 2]
        if following and math.isclose(following[0], sigma, rel_tol=STEP_TOLERANCE):
            return None
        steps = enumerate((self.schedule() or [])[:-1])
        return next((i for i, s in steps if math.isclose(s, sigma, rel_tol=STEP_TOLERANCE)), None)

    def distinct(self) -> list[StepMask]:
        """The steps that acted; where several nodes guided one evaluation by one and the same mask, the first."""
        self.settle(wait=True)
        first: dict[tuple[int, bytes], StepMask] = {}
        for step in self.steps:
            first.setdefault((step.evaluation, step.mask.packed.tobytes()), step)
        return list(first.values())


class MaskStore:
    """The newest run of each latent shape. Shared by a MODEL and all its clones, however the host copies them."""

    def __init__(self) -> None:
        self.runs: dict[tuple[int, ...], RunMasks] = {}  # newest last

    def __deepcopy__(self, _: dict[int, Any]) -> MaskStore:
        """ComfyUI before 0.14 clones by deep copies; the preview's clone must still reach the sampler's masks."""
        return self

    def begin(self, shape: tuple[int, ...], schedule: torch.Tensor | None) -> RunMasks:
        """A new run of this latent shape takes the place of the last one."""
        self.runs.pop(shape, None)
        self.runs[shape] = run = RunMasks(schedule)
        for oldest in list(self.runs)[:-SHAPES_KEPT]:
            del self.runs[oldest]
        return run
