"""What a run did, told to the page from which it was queued: a line on the node, and numbers for its strip.

It goes through the host's own server, as the progress of a run does. If no server runs, or if a script without a page
queued the prompt, nothing is sent. What is sent never holds a picture or a prompt.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from .run_log import RunLog
from .settings import NAME

if TYPE_CHECKING:
    from server import PromptServer

RUN_ENDED = "sag_delayed_activation.run"  # the event; web/js/runs.js hears it and says what it holds


def node_under_way() -> str | None:
    """The page's id of the node that the host executes, "12:5" for node 5 in the subgraph 12; None if it does not say.

    The id is no input (UNIQUE_ID), since that would put it into the keys of the host's cache, for this node and for
    every sampler behind it.
    """
    try:
        from comfy_execution.utils import get_executing_context
    except ImportError:  # the host has moved it: then no page is told, and all else works
        return None
    context = get_executing_context()
    return None if context is None else context.node_id


def tell_page(node: str | None, log: RunLog) -> None:
    """Tell what the node with this id did in the run that has just ended."""
    if node is None:
        return
    try:
        server = running_server()
        if server is not None and server.client_id is not None:
            send(server, node, log)
    except Exception:  # the host may have changed, and no run shall fail by that
        logging.warning("%s: the page was not told of the run", NAME, exc_info=True)


def running_server() -> PromptServer | None:
    """The host's server; None in a script that has none."""
    try:
        import server
    except ImportError:
        return None
    return getattr(getattr(server, "PromptServer", None), "instance", None)


def send(server: PromptServer, node: str, log: RunLog) -> None:
    """Send the line and the numbers to the page whose prompt is being executed."""
    text = log.text()
    server.send_progress_text(f"⚠ {text}" if log.warns else text, node, sid=server.client_id)
    server.send_sync(RUN_ENDED, {"node": node, "text": text, **details(log)}, sid=server.client_id)


def details(log: RunLog) -> dict[str, Any]:
    """The numbers that the strip draws, and the line in parts, for other languages."""
    return {
        "sigmas": log.sigmas, "acted": log.acted, "skipped": list(log.skipped), "warns": log.warns,
        "start": log.window.start, "end": log.window.end, "clauses": [clause.for_page() for clause in log.clauses()],
        "percents": log.percents,
    }  # fmt: skip
