"""What git has of this repository, and the addresses that it has where it is published."""

import subprocess
from pathlib import Path

from comfy_cli.registry.config_parser import extract_node_configuration

ROOT = Path(__file__).parents[2]
PROJECT = extract_node_configuration(str(ROOT / "pyproject.toml"))
REPOSITORY = PROJECT.project.urls.repository
RAW = REPOSITORY.replace("//github.com/", "//raw.githubusercontent.com/") + "/main/"  # of a picture
BLOB = f"{REPOSITORY}/blob/main/"  # of a page


def tracked(*folders: str) -> set[str]:
    """Paths of the files in these folders, or in all, that users or readers get; none outside of a git checkout."""
    listed = subprocess.run(["git", "ls-files", "-z", *folders], cwd=ROOT, capture_output=True, text=True)  # noqa: S607
    return {name for name in listed.stdout.split("\0") if name and not name.endswith(".gitkeep")}
