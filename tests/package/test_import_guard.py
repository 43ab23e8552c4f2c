"""comfy-import-guard, a linter for packs: does the host have each name and argument that the pack uses?"""

import json
import os
import subprocess

import pytest
from comfy_import_guard.cli import main

HOST = os.environ.get("COMFYUI_PATH")
pytestmark = pytest.mark.skipif(not HOST, reason="COMFYUI_PATH names no ComfyUI")


@pytest.fixture
def history(tmp_path):
    """The linter reads the host from a git repository: one commit of the host's files, made without copying them."""
    repository = tmp_path / "ComfyUI"

    def git(*words):
        author = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
        subprocess.run(["git", *author, "-C", repository, *words], check=True, capture_output=True)  # noqa: S607

    repository.mkdir()
    git("init", "-q")
    git("--work-tree", HOST, "add", "--", "comfy", "comfy_execution", "*.py")
    git("--work-tree", HOST, "commit", "-q", "-m", "the host")
    return tmp_path


def test_the_host_has_each_name_and_argument_that_the_pack_uses(history, unpacked, capsys):
    words = ["--offline", "--quiet", "--json", "--cache-dir", str(history)]
    status = main([*words, "check", "--comfy-dir", str(unpacked.parent), "--target", "HEAD", "--strict"])
    (pack,) = json.loads(capsys.readouterr().out)["packs"]
    assert pack["references"] > 5
    assert (status, pack["verdict"]) == (0, "SAFE"), pack
