"""What a run did, told to the page from which it was queued: the line of a node, and numbers for its strip.

It goes through the host's own server, as the progress of a run does. If no server runs, or if a script without a page
queued the prompt, nothing is sent. What is sent never holds a picture or a prompt.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from .prompt_graph import Graph, Typed, nodes_told
from .run_log import RunLog
from .settings import NAME

if TYPE_CHECKING:
    from comfy_execution.utils import ExecutionContext
    from server import PromptServer

RUN_ENDED = "sag_delayed_activation.run"  # the event; web/js/runs.js hears it and says what it holds


def prompt_under_way() -> str | None:
    """The id of the prompt that the host executes; None in a script, or if the host does not say."""
    return getattr(execution(), "prompt_id", None)


def execution() -> ExecutionContext | None:
    """What the host says that it executes in this thread: a prompt, and in it the sampler's node."""
    try:
        from comfy_execution.utils import get_executing_context
    except ImportError:  # the host has moved it: then no page is told, and all else works
        return None
    return get_executing_context()


def tell_page(nodes: list[tuple[Typed, RunLog | None]]) -> None:
    """Tell what the SAG nodes of the run that has just ended did, in the order of the MODEL's way; of None nothing."""
    try:
        context = execution()
        server = running_server() if context else None
        if context is None or server is None or server.client_id is None:
            return
        ids = nodes_told([typed for typed, _ in nodes], graph_of(server, context.prompt_id), context.node_id)
        for alike, (_, log) in zip(ids, nodes, strict=True):
            if log is not None:
                for node in alike:
                    send(server, node, log)
    except Exception:  # the host may have changed, and no run shall fail by that
        logging.warning("%s: the page was not told of the run", NAME, exc_info=True)


def graph_of(server: PromptServer, prompt: str) -> Graph:
    """The graph of that prompt, which is executing."""
    under_way = server.prompt_queue.currently_running.values()  # (number, id, graph, ...) each
    return next((graph for _, name, graph, *_ in under_way if name == prompt), {})


def running_server() -> PromptServer | None:
    """The host's server; None in a script that has none."""
    try:
        import server
    except ImportError:
        return None
    return getattr(getattr(server, "PromptServer", None), "instance", None)


def send(server: PromptServer, node: str, log: RunLog) -> None:
    """Send the line and the numbers to the page whose prompt is being executed."""
    server.send_sync(RUN_ENDED, {"node": node, "text": log.text(), **details(log)}, sid=server.client_id)


def details(log: RunLog) -> dict[str, Any]:
    """The numbers that the strip draws, and the line in parts, for other languages."""
    return {
        "sigmas": log.sigmas, "acted": log.acted, "skipped": list(log.skipped), "warns": log.warns,
        "start": log.window.start, "end": log.window.end, "clauses": [clause.for_page() for clause in log.clauses()],
        "percents": log.percents,
    }  # fmt: skip
