"""Which nodes of the prompt that the host executes a run's lines belong to.

The host hands one MODEL to all equal nodes, of other prompts too: so no node can know, when it is executed, where its
line will be read. It is found out when a run ends, from the sampler that is executing then.

A graph is the prompt as the page has queued it: {id: {"class_type": ..., "inputs": {name: value or [id, output]}}}.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, islice
from typing import Any, NamedTuple

Graph = dict[str, dict[str, Any]]

# Of these no node can take the MODEL that it samples. Pipes, contexts and guiders hold one.
HOLD_NO_MODEL = {
    "LATENT", "IMAGE", "MASK", "CONDITIONING", "CLIP", "VAE", "CONTROL_NET", "SIGMAS", "NOISE", "SAMPLER", "INT",
    "FLOAT", "STRING", "BOOLEAN", "COMBO",
}  # fmt: skip
MOST_TRIED = 1000  # ways to pair nodes; two of them, and all that they name are told


class Typed(NamedTuple):
    """What a SAG node was made by: its class, and its inputs' values by name, as the host gave them."""

    class_type: str
    values: dict[str, Any]

    def fits(self, node: dict[str, Any]) -> bool:
        """Whether a node of the prompt may be the one; what is wired into it is not known."""
        given = node["inputs"]
        return node["class_type"] == self.class_type and all(
            is_link(given[name]) or given[name] == value for name, value in self.values.items() if name in given
        )


def nodes_told(run: list[Typed], graph: Graph, sampler: str) -> list[list[str]]:
    """For each SAG node of a run, in the order of the MODEL's way, the ids of those in the graph that it may be.

    `sampler` is the id of the node that is executing. One that another node made for itself, "7.0.0.1", is that node.
    """
    node = sampler if sampler in graph else sampler.split(".")[0]
    alike = [id for id in nodes_behind(graph, node, set()) if any(typed.fits(graph[id]) for typed in run)]
    possible = [
        ids for ids in islice(combinations(alike, len(run)), MOST_TRIED)
        if all(typed.fits(graph[id]) for typed, id in zip(run, ids, strict=True))
    ]  # fmt: skip
    return [sorted(set(ids)) for ids in zip(*possible, strict=True)] or [[] for _ in run]


def nodes_behind(graph: Graph, node: str, seen: set[str]) -> Iterator[str]:
    """The nodes whose MODEL may reach `node`, those nearer to the loader first; none that is in `seen`, which grows."""
    if node in seen or node not in graph:
        return
    seen.add(node)
    for value in graph[node]["inputs"].values():
        if is_link(value) and may_hold_model(graph, *value):
            yield from nodes_behind(graph, value[0], seen)
    yield node


def is_link(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str)


def may_hold_model(graph: Graph, node: str, output: int) -> bool:
    """Whether this output of a node may hold a MODEL, as far as the node's class says."""
    import nodes as host_nodes

    kind = host_nodes.NODE_CLASS_MAPPINGS.get(graph.get(node, {}).get("class_type"))
    types = getattr(kind, "RETURN_TYPES", ())
    return output >= len(types) or types[output] not in HOLD_NO_MODEL
