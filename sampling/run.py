"""What is kept for one sampling run: by its SAG nodes together, and by each of them."""

from __future__ import annotations

import torch

from ..sag_core import SigmaWindow
from .guidance import FiniteGuidance, Guidance
from .masks import MaskStore, RunMasks, StepMask
from .page import tell_page
from .run_log import RunLog

RUN = "sag_delayed_activation run"  # the key of a Run in its own model_options
NEAR = 1e-4  # relative: a schedule that begins this near to the model's largest sigma begins there


class NodeRun:
    """One node in one run: its log, and its newest guidance, which `every` may use again."""

    def __init__(self, log: RunLog, masks: RunMasks, shown_on: str | None = None) -> None:
        """`shown_on` is the node of the page on which its line is shown."""
        self.log, self.masks, self.shown_on = log, masks, shown_on
        self.guidance: FiniteGuidance | None = None
        self.uses = 0  # of that guidance
        self.fade_span: tuple[float, float] | None = None  # highest and lowest sigma of the fade, once it is asked for

    def reuse(self, every: int, shape: torch.Size) -> FiniteGuidance | None:
        """The newest guidance, where it may serve one more evaluation of this latent shape."""
        if self.guidance is None or self.uses >= every or self.guidance.falling.shape != shape:
            return None
        return self.guidance

    def take(self, guidance: Guidance, sigma: float) -> FiniteGuidance:
        """Guidance that was computed at this sigma; from now on the newest."""
        self.guidance, self.uses = FiniteGuidance.of(guidance, sigma), 0
        self.log.extra_calls += guidance.unet_calls
        return self.guidance

    def acted(self, sigma: float, guidance: FiniteGuidance) -> None:
        """Note that the newest guidance acted on the evaluation that was noted last."""
        place = self.log.newest
        self.masks.add(StepMask(place, sigma, guidance.mask, self.log.node, reused=self.uses > 0))
        self.log.acted.append(place)
        self.log.finite.append(guidance.finite)
        self.uses += 1

    def tell(self) -> None:
        """Say what was done, in the log and on the page."""
        self.log.write()
        tell_page(self.shown_on, self.log)


class Run:
    """One sampling run, as its SAG nodes share it. No dict: a copy of the run's options must hand on this very one."""

    def __init__(self, schedule: list[float], latent: torch.Tensor | None, largest_sigma: float) -> None:
        """`schedule` are its sigmas [steps + 1], `latent` [B, C, h, w] is what it is given.

        A whole sampling ends at 0, and begins with an empty latent or at `largest_sigma`, the model's. Any other run
        may be a part of one.
        """
        self.masks, self.nodes, self.has_steps = RunMasks(schedule), dict[str, NodeRun](), len(schedule) > 1
        is_empty = latent is None or not latent.any()
        begins_at_largest = bool(schedule) and schedule[0] >= largest_sigma * (1 - NEAR)
        self.is_whole = schedule[-1:] == [0.0] and (is_empty or begins_at_largest)

    def join(self, key: str, window: SigmaWindow, shown_on: str | None) -> None:
        """The node named `key` takes part. It may already do so, where another sampling is nested in this run."""
        if key not in self.nodes:
            log = RunLog(window, self.is_whole, node=len(self.nodes))
            self.nodes[key] = NodeRun(log, self.masks, shown_on)

    def end(self, latent: torch.Tensor | None, store: MaskStore) -> None:
        """It gave this latent [B, C, h, w], or None after an error or an interrupt: keep no tensor, and say it all."""
        nodes = list(self.nodes.values())
        try:
            self.masks.settle()  # waits for what the host waits for itself, the run's last latent
            for node in nodes:
                node.log.settle()
        except RuntimeError:  # the device itself failed. The host has said so; the lines are still worth having
            latent = None
            for node in nodes:
                node.log.finite.clear()
        for node in nodes:
            node.guidance = None
            if node.log.sigmas or (self.has_steps and latent is not None):
                node.tell()
        if latent is not None:
            self.masks.sigmas, self.masks.lines = nodes[0].log.sigmas, [node.log.summary() for node in nodes]
            store.keep(self.masks, latent)
