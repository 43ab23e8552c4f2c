#!/usr/bin/env python3
"""The tests of the real host on several ComfyUI, two at a time; `python dev.py matrix` and `test` run it.

    python -m lab.matrix --host NAME=FOLDER [--host ...] [--write] [arguments for pytest]

With --write the table goes into docs/compatibility.md.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pandas as pd

from lab.loading import ROOT
from lab.markdown import put

TESTS = ["tests/host", "tests/big", "--ignore-glob=*/test_benchmark*.py", "--ignore-glob=*/test_study*.py"]
PYTEST = [sys.executable, "-m", "pytest", "-c", "tests/pytest.ini", *TESTS]
BEGINS, ENDS = "<!-- by `python dev.py matrix` -->", "<!-- matrix ends -->"


def test(host: str, more: list[str]) -> dict[str, Any]:
    """A row of the table."""
    name, folder = host.split("=", 1)
    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch) / "report.xml"
        done = subprocess.run([*PYTEST, f"--junitxml={report}", *more], env={**os.environ, "COMFYUI_PATH": folder},
                              cwd=ROOT, capture_output=True, text=True)  # fmt: skip
        print(f"ComfyUI {name}\n{done.stdout}{done.stderr}", flush=True)
        cases = list(ElementTree.parse(report).iter("testcase")) if report.is_file() else []
    skipped = [case.find("skipped").get("message") for case in cases if case.find("skipped") is not None]
    failed = sum(case.find("failure") is not None or case.find("error") is not None for case in cases)
    return {"ComfyUI": name, "passed": len(cases) - failed - len(skipped), "failed": failed,
            "what is missing there": in_words(skipped)}  # fmt: skip


def in_words(reasons: list[str]) -> str:
    """What stands behind the colon of `needs ComfyUI 0.3.60: attention overrides`, older versions first."""
    found = {re.fullmatch(r"needs ComfyUI ([^:]*): (.*)", reason) for reason in set(reasons)} - {None}
    by_version = sorted(found, key=lambda of: ([int(n) for n in re.findall(r"\d+", of[1])], of[2]))
    return ", ".join(of[2] for of in by_version) or "nothing"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", action="append", required=True, metavar="NAME=FOLDER")
    parser.add_argument("--write", action="store_true")
    options, more = parser.parse_known_args()
    with ThreadPoolExecutor(2) as pool:
        rows = list(pool.map(lambda host: test(host, more), options.host))
    table = pd.DataFrame(rows).to_markdown(index=False)
    print(table)
    if options.write:
        put(ROOT / "docs/compatibility.md", BEGINS, ENDS, table)
    if failed := [row["ComfyUI"] for row in rows if row["failed"] or not row["passed"]]:
        raise SystemExit(f"Tests failed on ComfyUI {', '.join(failed)} (see above).")


if __name__ == "__main__":
    main()
