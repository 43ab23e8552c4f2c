#!/usr/bin/env python3
"""The tests of the real host on several ComfyUI: `python dev.py matrix`, and with two of them `python dev.py test`.

    python -m lab.matrix NAME=FOLDER ... [--write] [-- arguments for pytest]

--write puts the table into docs/compatibility.md.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import pandas as pd

from lab.loading import ROOT
from lab.markdown import put

TIERS = ["tests/host", "tests/big"]
MEASURING = ["--ignore-glob=*/test_benchmark.py", "--ignore-glob=*/test_study.py"]  # tools for the newest host alone
BEGINS, ENDS = "<!-- by `python dev.py matrix` -->", "<!-- matrix ends -->"
COMPATIBILITY = ROOT / "docs/compatibility.md"


class Tested(NamedTuple):
    """What the tests gave on one host; `missing` are the reasons of those that were skipped, each with its count."""

    host: str
    passed: int
    failed: int
    missing: dict[str, int]

    def row(self) -> dict[str, str | int]:
        return {"ComfyUI": self.host, "passed": self.passed, "failed": self.failed,
                "not run": sum(self.missing.values()), "what is missing there": in_words(self.missing)}  # fmt: skip


def in_words(missing: dict[str, int]) -> str:
    """`needs ComfyUI 0.3.7: uuids, wrappers` 26 times, as `uuids, wrappers (26)`."""
    what: dict[str, int] = {}
    for reason, count in missing.items():
        name = reason.split(": ", 1)[-1].removeprefix("needs ")
        what[name] = what.get(name, 0) + count
    return "; ".join(f"{name} ({count})" for name, count in what.items())


def test(host: str, more: list[str]) -> Tested:
    name, folder = host.split("=", 1)
    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch) / "report.xml"
        tiers = [tier for tier in TIERS if (ROOT / tier).is_dir()]
        command = [sys.executable, "-m", "pytest", "-c", "tests/pytest.ini", *tiers, *MEASURING, f"--junitxml={report}"]
        done = subprocess.run([*command, *more], env={**os.environ, "COMFYUI_PATH": folder}, cwd=ROOT,
                              capture_output=True, text=True)  # fmt: skip
        print(f"ComfyUI {name}\n{done.stdout}{done.stderr}", flush=True)
        cases = list(ElementTree.parse(report).iter("testcase")) if report.is_file() else []
    skipped = [case.find("skipped").get("message") for case in cases if case.find("skipped") is not None]
    failed = sum(case.find("failure") is not None or case.find("error") is not None for case in cases)
    return Tested(name, len(cases) - failed - len(skipped), failed, {why: skipped.count(why) for why in sorted(skipped)})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("hosts", nargs="+", metavar="NAME=FOLDER")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--", dest="more", nargs=argparse.REMAINDER, default=[])
    options = parser.parse_args()
    with ThreadPoolExecutor(2) as pool:  # each takes one core
        rows = list(pool.map(lambda host: test(host, options.more), options.hosts))
    table = pd.DataFrame([row.row() for row in rows]).to_markdown(index=False)
    print(table)
    if options.write and COMPATIBILITY.is_file():
        put(COMPATIBILITY, BEGINS, ENDS, table)
    if failed := [row.host for row in rows if row.failed or not row.passed]:
        raise SystemExit(f"Tests failed on ComfyUI {', '.join(failed)} (see above).")


if __name__ == "__main__":
    main()
