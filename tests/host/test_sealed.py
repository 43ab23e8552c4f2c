"""The pack at work on the real host while Python itself forbids sockets, processes and writing.

Python reports each such deed to its audit hooks, whoever does it; a hook that raises stops it.
"""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_unet import sample

from lab.loading import load_pack

FORBIDDEN = (
    "socket.", "urllib.", "http.", "ftplib.", "smtplib.", "webbrowser.", "subprocess.", "os.system", "os.exec",
    "os.fork", "os.posix_spawn", "os.spawn", "os.remove", "os.rmdir", "os.rename", "os.truncate", "os.link",
    "os.symlink", "os.chmod", "shutil.", "pickle.", "ctypes.dlopen",
)  # fmt: skip
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC


class Seal:
    """While in use, whatever is forbidden raises PermissionError; writing is allowed below `folder`."""

    def __init__(self, folder):
        self.folder, self.closed = Path(folder).resolve(), False
        sys.addaudithook(self.hear)  # for as long as Python runs: there is no taking it away

    def hear(self, event, args):
        if self.closed and (event.startswith(FORBIDDEN) or (self.writes(event, args) and not self.inside(args[0]))):
            raise PermissionError(f"{event} {args}")

    def writes(self, event, args):
        return event == "os.mkdir" or (event == "open" and args[2] & WRITING)

    def inside(self, path):
        return not isinstance(path, int) and Path(os.fsdecode(path)).resolve().is_relative_to(self.folder)

    def __enter__(self):
        self.closed = True

    def __exit__(self, *_):
        self.closed = False


@pytest.fixture(scope="module")
def seal(tmp_path_factory):
    """Allows the host's temp folder, where its own code puts previews; here a folder of the test's."""
    import folder_paths
    import PIL.PngImagePlugin  # noqa: F401

    import nodes  # noqa: F401  a running host has imported them

    before = folder_paths.get_temp_directory()
    folder_paths.set_temp_directory(str(tmp_path_factory.mktemp("temp")))
    yield Seal(folder_paths.get_temp_directory())
    folder_paths.set_temp_directory(before)


def import_anew(name):
    return {node_id: node() for node_id, node in load_pack(name).NODE_CLASS_MAPPINGS.items()}


@pytest.mark.parametrize(
    "deed",
    [
        lambda folder: socket.socket(),
        lambda folder: subprocess.run(["true"]),  # noqa: S607
        lambda folder: open(folder / "file", "w"),
        lambda folder: (folder / "file").write_text("text"),
        lambda folder: os.open(folder / "file", os.O_CREAT | os.O_WRONLY),
        lambda folder: (folder / "new").mkdir(),
    ],
    ids=["socket", "process", "open", "write_text", "os.open", "mkdir"],
)
def test_the_seal_holds(seal, tmp_path, deed):
    with seal, pytest.raises(PermissionError):
        deed(tmp_path)


def test_the_pack_imports_patches_samples_and_shows_behind_the_seal(seal, model, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # else Python itself writes what it compiled
    with seal:
        nodes = import_anew("a_sealed_pack")
        (patched,) = nodes["SAG delayed activation (advanced)"].patch(model, 0.5, 2.0, 15.0, 0.0)
        latent = sample(patched)
        window = nodes["SAG sigma window"].find("all", "step", 0.0, 1.0, model, "normal", 4, 1.0)["result"]
        shown = nodes["SAG mask preview"].show(patched, {"samples": latent})
    assert window[3].shape[-1] == 3 and len(shown["ui"]["images"]) == 4
    assert len(list(seal.folder.glob("*.png"))) == 4
