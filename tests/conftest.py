"""Loads the repository as ComfyUI loads a pack: as a package of another name, from its folder."""

import sys
from pathlib import Path

from hypothesis import settings

sys.path.append(str(Path(__file__).parents[1]))  # last: the repository has a `nodes`, and the host's must be found
from lab.loading import load_pack  # noqa: E402

load_pack()
# The same examples each time, so that a commit cannot fail by chance. `--hypothesis-profile nightly` looks at others.
settings.register_profile("normal", max_examples=25, derandomize=True, deadline=None, database=None)
settings.register_profile("nightly", max_examples=500, deadline=None, database=None, print_blob=True)
settings.load_profile("normal")
