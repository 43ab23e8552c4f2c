#!/usr/bin/env python3
"""What this pack costs, beside sampling without it, beside the least it could cost, and beside the host's own SAG.

Needs torch and a ComfyUI that COMFYUI_PATH names; `report` needs pandas and scipy too. All of it is there
with `python dev.py bench ...`. Measurements are lines of JSON in a file; `report` makes tables of them:

    run      all variants of --case, --reps times or for --budget-seconds; goes on where it was stopped
    beside   whole samples of --case, beside those of the version in the folder --earlier and the host's own SAG
    own      time inside the hooks, in the same way
    report   puts what is in FILES into RESULTS.md, or --out
"""

from __future__ import annotations

import argparse
import logging
import math
import shlex
import sys
import time
from pathlib import Path

import torch

from lab.benchmarks.beside import beside, own
from lab.benchmarks.cases import Case
from lab.benchmarks.timing import machine, run
from lab.loading import load_host
from lab.records import Records

HERE = Path(__file__).parent
COMMANDS = {
    "run": lambda records, o: run(records, o.case, o.reps, o.ends),
    "beside": lambda records, o: beside(records, o.case, o.earlier, o.reps, o.ends),
    "own": lambda records, o: own(records, o.case, o.earlier, o.reps, o.ends),
}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=[*COMMANDS, "report"])
    parser.add_argument("files", type=Path, nargs="*", help="for report")
    parser.add_argument("--out", type=Path, help="default: COMMAND.jsonl in lab/benchmarks/out")
    parser.add_argument("--case", type=Case.named, default="tiny", help="or family-side-batch such as sdxl-1024-b4")
    parser.add_argument("--earlier", type=Path, help="a checkout of an earlier version, for beside and own")
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--reps", type=int, default=5)
    parser.add_argument("--budget-seconds", type=float, default=math.inf)
    return parser.parse_args()


def opened(file: Path, resume: bool) -> Records:
    """The file, with a line on this machine added; SystemExit if what it holds is of another."""
    records, here = Records(file, resume, echo=True), machine()
    for record in records.rows:
        if record["kind"] == "machine" and not here.items() <= record.items():
            raise SystemExit(f"{file} is of another machine or software. Here is {here}; use another file.")
    records.add(kind="machine", **here, command=shlex.join(["python", "-m", "lab.benchmarks.bench", *sys.argv[1:]]))
    return records


def main() -> None:
    began, options = time.monotonic(), arguments()
    if options.command == "report":
        from lab.benchmarks.report import write  # what it needs is not on every machine that measures

        return write(options.files, options.out or HERE / "RESULTS.md")
    load_host()
    import comfy.cli_args

    comfy.cli_args.args.use_pytorch_cross_attention = True  # on the CPU, too, what the host takes on NVIDIA cards
    logging.getLogger().setLevel(logging.ERROR)  # the pack's line after each run still costs what it costs
    torch.set_grad_enabled(False)
    options.case, options.ends = options.case._replace(steps=options.steps), began + options.budget_seconds
    file = options.out or HERE / "out" / f"{options.command}.jsonl"
    COMMANDS[options.command](opened(file, resume=options.command == "run"), options)


if __name__ == "__main__":
    main()
