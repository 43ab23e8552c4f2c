"""Loads the repository as ComfyUI loads a pack: as a package of another name, from its folder."""

import gc
import os
import sys
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # here and in what is started: models are tiny, and threads would mostly wait

from hypothesis import settings  # noqa: E402

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT))  # last: the repository has a `nodes`, and the host's must be found
from lab.loading import load_pack  # noqa: E402

load_pack()
# The same examples each time, so that a commit cannot fail by chance. `--hypothesis-profile nightly` looks at others.
settings.register_profile("normal", max_examples=25, derandomize=True, deadline=None, database=None)
settings.register_profile("nightly", max_examples=500, deadline=None, database=None, print_blob=True)
settings.load_profile("normal")


def pytest_addoption(parser):
    """For tests/browser; here, since pytest reads no further before it reads the command line."""
    parser.addoption("--page", default="own", help="a version of comfyui-frontend-package, or own: the host's")


def pytest_collection_finish():
    """What has been imported stays: a collection of garbage, which a benchmark asks for often, need not look there."""
    gc.freeze()
