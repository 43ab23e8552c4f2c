"""The pack under torch.compile, through the host's own TorchCompileModel node."""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

import torch

from lab.benchmarks.cases import Workload

SETTLED_AFTER = 2  # steps; the first compiles for one batch, the second may find that batches differ


class Compiled(NamedTuple):
    """What compiling did during two samples, the first with nothing compiled before."""

    latent: torch.Tensor
    breaks: Counter[str]  # by reason
    graphs: list[int]  # compiled up to the end of each step of both samples

    @property
    def late(self) -> int:
        """Graphs that were compiled after the second step."""
        return self.graphs[-1] - self.graphs[min(SETTLED_AFTER, len(self.graphs)) - 1]


def through_the_node(model: Any, backend: str) -> Any:
    from comfy_extras.nodes_torch_compile import TorchCompileModel

    return TorchCompileModel.execute(model, backend)[0]


def first_samples(work: Workload, model: Any) -> Compiled:
    """Sample twice, as a user does who runs a workflow again, and count."""
    from torch._dynamo.utils import counters

    torch._dynamo.reset()
    counters.clear()
    graphs: list[int] = []
    for _ in range(2):
        latent = work.sample(model, callback=lambda *_: graphs.append(counters["stats"]["unique_graphs"]))
    return Compiled(latent, Counter(counters["graph_break"]), graphs)
