"""The masks of the last runs, kept for the mask preview: the one thing that outlives a run.

A `MaskStore` hangs on the MODEL that a SAG node gives out, and every later clone of it shares that store. It holds the
last few samplings of each of the last few latent shapes: NumPy, eight pixels a byte, 512 bytes for a step at 512 x 512.

A schedule may be cut into several runs, as KSampler (Advanced) does it: each points to the one that it goes on from. A
`Sampling` is such a chain, seen as one run.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch

from .run_log import RunLog

MASK_STORE = "sag_delayed_activation masks"  # in model_options
MOST_UNPACKED = 2**24  # pixels, of a byte each, that a run holds on the device before it packs them
SHAPES_KEPT = 4  # a base and its enlargements are sampled with one MODEL
SAMPLINGS_KEPT = 4  # of each shape: the host may have kept the latents of a few seeds
STEP_TOLERANCE = 1e-4  # relative: an evaluation whose sigma is nearer than this to a step's is that step


def fingerprint(latent: torch.Tensor) -> int:
    """A number that tells this latent from any other. By halves, since some hosts hand latents on in that precision."""
    return hash(latent.detach().to("cpu", torch.float16).numpy().tobytes())


@dataclass
class RunEnds:
    """What a run was given, and what it gave."""

    schedule: list[float]  # sigmas, [steps + 1]
    given: int  # fingerprint of the latent with which it began
    result: int | None = None  # of the latent that it gave; None until then, and after an error


class PackedMask:
    """A boolean mask [B, h, w], packed once somebody asks for it or the run ends."""

    def __init__(self, mask: torch.Tensor) -> None:
        """`mask` is [B, 1, h, w], on any device."""
        self.shape = (mask.shape[0], *mask.shape[-2:])
        self.packed = np.empty(0, dtype=np.uint8)  # until then
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

    evaluation: int  # of the run, from 0
    sigma: float
    mask: PackedMask
    node: int = 0  # of the run's SAG nodes, in their order
    reused: bool = False  # guidance and mask are those of an earlier evaluation


class RunMasks:
    """What one run leaves behind: its masks, and what its nodes say they did."""

    def __init__(
        self, ends: RunEnds | None = None, before: RunMasks | None = None, acted: set[int] | None = None
    ) -> None:
        """`ends` is None where the host does not tell them. `before` is the run that this one goes on from.

        `acted` are the nodes that acted in any run of the MODEL; all its runs share it.
        """
        self.ends, self.before, self.nodes_that_acted = ends, before, set() if acted is None else acted
        self.steps: list[StepMask] = []
        self.logs: list[RunLog] = []  # one for each SAG node in the run
        self._unpacked: list[PackedMask] = []
        self._pixels = 0  # of them

    @property
    def schedule(self) -> list[float]:
        """The schedule's sigmas; empty where the host does not tell them."""
        return self.ends.schedule if self.ends else []

    def add(self, step: StepMask) -> None:
        """Keep the mask of one more step, on its device as long as they are few."""
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

    def finish(self, log: RunLog) -> None:
        """Write what one of its nodes did, now that the run is over."""
        log.write(excused=self.excuses(log))
        if log.acted:
            self.nodes_that_acted.add(log.node)

    def excuses(self, log: RunLog) -> bool:
        """Whether nobody need be warned if this node did not act: the rest of its sampling may act, or did.

        And where it is only that no sigma lay in the window, it may as well have acted in any other run before.
        """
        parts = itertools.islice(self.backwards(), 1, None)
        acted = any(other.acted for part in parts for other in part.logs if other.node == log.node)
        return acted or self.leaves_noise() or (not log.skipped and log.node in self.nodes_that_acted)

    def backwards(self) -> Iterator[RunMasks]:
        """The runs of its sampling up to this one, the last first."""
        run: RunMasks | None = self
        while run is not None:
            yield run
            run = run.before

    def gave(self, latent: int) -> bool:
        """Whether it is known to have given the latent with this fingerprint."""
        return self.ends is not None and self.ends.result == latent

    def is_done(self) -> bool:
        """Whether it is known to have given a latent."""
        return self.ends is not None and self.ends.result is not None

    def leaves_noise(self) -> bool:
        """Whether it is known to end above 0, where its sampling does not."""
        return bool(self.schedule) and self.schedule[-1] > 0

    def leads_to(self, ends: RunEnds) -> bool:
        """Whether a run with these ends can go on from it: it fell to the sigma at which that one begins."""
        fell = self.is_done() and self.leaves_noise() and self.schedule[0] > self.schedule[-1]
        return fell and math.isclose(self.schedule[-1], ends.schedule[0], rel_tol=STEP_TOLERANCE)


class Sampling:
    """All that the runs of one sampling left behind, up to one of them, as if they had been one run."""

    def __init__(self, last: RunMasks, certain: bool = True) -> None:
        """`certain` says whether the latent that is shown is known to be what `last` gave."""
        parts = list(last.backwards())[::-1]
        self.runs, self.certain = len(parts), certain
        self.steps: list[StepMask] = []
        self.sigmas: list[float] = []  # of every evaluation, those that did not act among them
        self.schedule: list[float] = []
        for part in parts:
            part.settle()
            self.steps += [step._replace(evaluation=step.evaluation + len(self.sigmas)) for step in part.steps]
            self.sigmas += part.logs[0].sigmas
            self.schedule = self.schedule[:-1] + part.schedule
        by_node = itertools.zip_longest(*(part.logs for part in parts))
        self.logs = [RunLog.joined([log for log in logs if log]) for logs in by_node]

    def step_of(self, evaluation: int) -> int | None:
        """The step, from 0, that begins with this evaluation; None for a sampler's inner ones and unknown schedules.

        heun and its like end a step at the next one's sigma: of several evaluations in a row, the last begins a step.
        """
        sigma, *following = self.sigmas[evaluation : evaluation + 2]
        if following and math.isclose(following[0], sigma, rel_tol=STEP_TOLERANCE):
            return None
        steps = enumerate(self.schedule[:-1])
        return next((i for i, s in steps if math.isclose(s, sigma, rel_tol=STEP_TOLERANCE)), None)

    def distinct(self) -> list[StepMask]:
        """The steps that acted; where several nodes guided one evaluation by one and the same mask, the first."""
        first: dict[tuple[int, bytes], StepMask] = {}
        for step in self.steps:
            first.setdefault((step.evaluation, step.mask.packed.tobytes()), step)
        return list(first.values())


class MaskStore:
    """The last runs of a MODEL. Shared by it and all its clones, however the host copies them."""

    def __init__(self) -> None:
        self.runs: dict[tuple[int, ...], list[RunMasks]] = {}  # the last run of each sampling, by shape, newest last
        self.nodes_that_acted: set[int] = set()

    def __deepcopy__(self, _: dict[int, Any]) -> MaskStore:
        """ComfyUI before 0.14 clones by deep copies; the preview's clone must still reach the sampler's masks."""
        return self

    def begin(self, shape: tuple[int, ...], ends: RunEnds | None = None) -> RunMasks:
        """A new run of this latent shape. Of those before, only what gave a latent that can be told again is kept."""
        done = (run if run.is_done() else run.before for run in self.runs.pop(shape, []))
        kept = [run for run in done if run is not None]
        before = run_before(kept, ends) if ends else None
        run = RunMasks(ends, before, self.nodes_that_acted)
        self.runs[shape] = [*(other for other in kept if other is not before), run][-SAMPLINGS_KEPT:]
        for oldest in list(self.runs)[:-SHAPES_KEPT]:
            del self.runs[oldest]
        return run

    def sampling_of(self, latent: torch.Tensor) -> Sampling | None:
        """The sampling that gave this latent; or the newest of its shape, and uncertain. None where there is none."""
        runs = self.runs.get(tuple(latent.shape))
        if not runs:
            return None
        wanted = fingerprint(latent)
        gave = next((run for run in newest_first(runs) if run.gave(wanted)), None)
        return Sampling(gave or runs[-1], certain=gave is not None)


def newest_first(samplings: list[RunMasks]) -> Iterator[RunMasks]:
    """Every run of these samplings, given by their last ones."""
    return (run for last in reversed(samplings) for run in last.backwards())


def run_before(samplings: list[RunMasks], ends: RunEnds) -> RunMasks | None:
    """The run that one with these ends goes on from: that which gave its latent, else the newest if it leads there."""
    fitting = [run for run in newest_first(samplings) if run.leads_to(ends)]
    gave = [run for run in fitting if run.gave(ends.given)]
    newest = [run for run in fitting if run is samplings[-1]]
    return next(iter(gave + newest), None)
