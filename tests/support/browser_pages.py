"""The web pages that the tests drive, and where in each a user finds what: the one place that knows.

The host's own page is that of ComfyUI 0.3.75, unless COMFYUI_PATH names another. Any version of the package that PyPI
has can be put in its place, since the host serves what `--front-end-root` names.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

OWN = "own"
FIRST_NEW_PAGE = (1, 40)  # between those that were seen, 1.32 and 1.49
PACKAGE = "comfyui-frontend-package"
CACHE = Path(os.environ.get("SAG_DEV_CACHE") or Path.home() / ".cache" / "sag-delayed-activation")


def front_end(version: str) -> Path:
    """The folder with that version of the page; fetched once, into the cache of dev.py."""
    folder = CACHE / f"{PACKAGE}-{version}"
    if not folder.is_dir():
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
            subprocess.run([sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "-q", "--no-deps",
                            "--target", f"{scratch}/page", f"{PACKAGE}=={version}"], check=True)  # fmt: skip
            Path(scratch, "page").rename(folder)  # last, so that a broken fetch leaves no folder behind
    return folder / "comfyui_frontend_package/static"


class Selectors(NamedTuple):
    """CSS selectors; %s stands for a name."""

    run: str
    found_node: str  # an answer of the search for nodes
    saved_workflow: str
    error_details: str | None  # what must be clicked to see what is wrong; None where a dialog says it at once
    error_info: str | None  # and then, where the host refused an input
    errors: str  # where it then stands
    refused_outline: str  # colour
    tells_failures: bool  # whether it shows, on a host as old as 0.3.75, that a node failed
    folds: bool  # whether Nodes 2.0 folds advanced inputs away
    decimals: bool  # whether a point can be typed into a number of Nodes 2.0
    pictures: int  # how many of ten Nodes 2.0 shows at once


OLD_PAGE = Selectors(
    run='role=button[name="Run"]',
    found_node="[role=option]",
    saved_workflow='.tree-leaf:has-text("%s.json")',
    error_details=None,
    error_info=None,
    errors="[role=dialog]",
    refused_outline="red",
    tells_failures=True,
    folds=False,
    decimals=False,
    pictures=1,
)
NEW_PAGE = Selectors(
    run='[data-testid="queue-button"]',
    found_node='[data-testid="result-item"]',
    saved_workflow='[data-testid="tree-node-root/%s.json"]',
    error_details='role=button[name="View details"]',
    error_info='button[aria-label^="Info for"]',
    errors="body",
    refused_outline="#E00",
    tells_failures=False,
    folds=True,
    decimals=True,
    pictures=10,
)


def selectors_of(version: str) -> Selectors:
    """By what the open page says its version is."""
    return NEW_PAGE if tuple(map(int, version.split(".")[:2])) >= FIRST_NEW_PAGE else OLD_PAGE
