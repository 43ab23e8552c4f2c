"""The archive that users get, made once by the registry's own tool."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def archive(tmp_path_factory):
    """Path of the packed archive; packing fails where the registry's tool warns."""
    known_to_git = subprocess.run(["git", "ls-files", "pyproject.toml"], cwd=ROOT, capture_output=True)  # noqa: S607
    if not known_to_git.stdout:
        pytest.skip("the archive is made from a git checkout, and this is none")
    folder = tmp_path_factory.mktemp("dist")
    done = subprocess.run([sys.executable, "registry/package.py", folder], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return next(folder.glob("*.zip"))


@pytest.fixture(scope="session")
def unpacked(archive, tmp_path_factory):
    """The folder that a user gets, under the registry's name."""
    folder = tmp_path_factory.mktemp("host") / "custom_nodes/sag-delayed-activation"
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(folder)
    return folder


@pytest.fixture(scope="session")
def sources(unpacked):
    """The text of each Python file that users get, by its path in the pack."""
    return {path.relative_to(unpacked).as_posix(): path.read_text() for path in sorted(unpacked.rglob("*.py"))}


@pytest.fixture(scope="session")
def scripts(unpacked):
    """The text of each JavaScript file that users get, by its path in the pack."""
    return {path.relative_to(unpacked).as_posix(): path.read_text() for path in sorted(unpacked.rglob("*.js"))}
