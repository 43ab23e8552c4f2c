"""What is kept for one sampling run: once for all its SAG nodes, and for each of them."""

from __future__ import annotations

import torch

from ..sag_core import SigmaWindow
from .guidance import FiniteGuidance, Guidance
from .masks import MaskStore, RunMasks, StepMask
from .page import prompt_under_way, tell_page
from .prompt_graph import Typed
from .run_log import LastLine, RunLog

RUN = "sag_delayed_activation run"  # where this run's data are kept, in its own model_options
NEAR = 1e-4  # relative: a schedule that begins this near to the model's largest sigma counts as beginning there


class NodeRun:
    """One node in one run: its log, and its newest guidance, which `every` may use again."""

    def __init__(self, log: RunLog, masks: RunMasks, typed: Typed, last_line: LastLine) -> None:
        """`typed` is what the node was given, and `last_line` what it said last."""
        self.log, self.masks, self.typed, self.last_line = log, masks, typed, last_line
        self.guidance: FiniteGuidance | None = None
        self.uses = 0  # how often that guidance has acted
        self.fade_span: tuple[float, float] | None = None  # highest and lowest sigma of the fade, once it is asked for

    def reuse(self, every: int, shape: torch.Size) -> FiniteGuidance | None:
        """The newest guidance, if it may act once more, and on a latent of this shape; else None."""
        if self.guidance is None or self.uses >= every or self.guidance.falling.shape != shape:
            return None
        return self.guidance

    def take(self, guidance: Guidance, sigma: float) -> FiniteGuidance:
        """Make `guidance`, computed at `sigma`, the newest, and return it."""
        self.guidance, self.uses = FiniteGuidance.of(guidance, sigma), 0
        self.log.extra_calls += guidance.unet_calls
        return self.guidance

    def acted(self, sigma: float, guidance: FiniteGuidance) -> None:
        """Note that `guidance`, the newest, acted on the evaluation that was noted last, at `sigma`."""
        place = self.log.newest
        self.masks.add(StepMask(place, sigma, guidance.mask, self.log.node, reused=self.uses > 0))
        self.log.acted.append(place)
        self.log.finite.append(guidance.finite)
        self.uses += 1


class Run:
    """What the SAG nodes of one run share. It is no dict, since the host copies the dicts in a run's options."""

    def __init__(self, schedule: list[float], latent: torch.Tensor | None, largest_sigma: float) -> None:
        """`schedule` are its sigmas [steps + 1]; `latent` [B, C, h, w] is what it is given.

        It is a whole sampling if it ends at 0, and begins with an empty latent or at the model's `largest_sigma`. Any
        other run may be a part of one.
        """
        self.masks, self.nodes, self.has_steps = RunMasks(schedule), dict[str, NodeRun](), len(schedule) > 1
        self.percents: list[float] | None = None  # of the model, for the page
        is_empty = latent is None or not latent.any()
        begins_at_largest = bool(schedule) and schedule[0] >= largest_sigma * (1 - NEAR)
        self.is_whole = schedule[-1:] == [0.0] and (is_empty or begins_at_largest)

    def join(self, key: str, window: SigmaWindow, typed: Typed, last_line: LastLine) -> None:
        """Let the node named `key` take part. It may do so already, if a sampling is nested in this run."""
        if key not in self.nodes:
            log = RunLog(window, self.is_whole, node=len(self.nodes), percents=self.percents)
            self.nodes[key] = NodeRun(log, self.masks, typed, last_line)

    def end(self, latent: torch.Tensor | None, store: MaskStore) -> None:
        """End it, with the latent [B, C, h, w] that it gave, or None if it failed: keep no tensor, and say it all."""
        nodes = list(self.nodes.values())
        try:
            self.masks.settle()  # waits for the run's last latent, as the host itself will
            for node in nodes:
                node.log.settle()
        except RuntimeError:  # the device itself failed, as the host has said; the lines are still worth having
            latent = None
            for node in nodes:
                node.log.finite.clear()
        for node in nodes:
            node.guidance = None
            node.log.cut_short = latent is None
        self.tell(nodes)
        if latent is not None:
            self.masks.sigmas, self.masks.lines = nodes[0].log.sigmas, [node.log.summary() for node in nodes]
            store.keep(self.masks, latent)

    def tell(self, nodes: list[NodeRun]) -> None:
        """Say what was done: on the page, and in the log what was not said last in this prompt.

        Nothing is said of a node that met no evaluation, if there was no step or if the run failed before.
        """
        prompt = prompt_under_way()
        to_tell = [node.log.sigmas or (self.has_steps and not node.log.cut_short) for node in nodes]
        for node, tells in zip(nodes, to_tell, strict=True):
            if tells and node.last_line.is_news(prompt, node.log):
                node.log.write()
        tell_page([(node.typed, node.log if tells else None) for node, tells in zip(nodes, to_tell, strict=True)])
