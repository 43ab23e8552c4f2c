#!/usr/bin/env python3
"""What this pack costs, beside sampling without it, beside the least it could cost, and beside the host's own SAG.

Needs torch and a ComfyUI that COMFYUI_PATH names; `report` needs matplotlib, pandas and scipy too. All of it is there
with `python dev.py bench ...`. Measurements are lines of JSON in a file; `report` makes tables and plots of them.
"""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)

    def command(name: str, does: str, case: str | None = None) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=does, description=does)
        made.add_argument("--out", type=Path, default=HERE / "out" / f"{name}.jsonl")
        if case:
            made.add_argument("--case", default=case, help="tiny, or family-side-batch such as sdxl-1024-b4")
            made.add_argument("--steps", type=int, help="8, tiny 4")
        return made

    run = command("run", "all variants of one case, in shuffled order within each repetition", case="tiny")
    run.add_argument("--reps", type=int, default=15)
    run.add_argument("--budget-seconds", type=float, default=math.inf, help="stop between repetitions")
    floor = command("floor", "the attention map against what the card could do at best")
    floor.add_argument("--tokens", type=int, nargs="+", default=[1024, 4096, 16384, 65536])
    growth = command("growth", "overhead against tokens, batch and steps")
    growth.add_argument("--family", default="sdxl", choices=["sd15", "sdxl", "tiny"])
    growth.add_argument("--reps", type=int, default=5)
    growth.add_argument("--budget-seconds", type=float, default=math.inf, help="stop between repetitions")
    compiled = command("compile", "through the host's TorchCompileModel", case="sd15-512-b4")
    compiled.add_argument("--backend", default="inductor")
    compiled.add_argument("--reps", type=int, default=5)
    command("sync", "where the CPU waits for the GPU", case="tiny")
    every = command("every", "time that `every` saves, and how far it goes astray, on the demo model")
    every.add_argument("--seeds", type=int, default=4)
    loading = command("load", "how long importing the pack takes")
    loading.add_argument("--reps", type=int, default=7)
    report = commands.add_parser("report", help="tables and plots of what was measured")
    report.add_argument("files", type=Path, nargs="+")
    report.add_argument("--out", type=Path, default=HERE / "RESULTS.md")
    return parser.parse_args()


def main() -> int:
    chosen = arguments()
    if chosen.command == "report":
        from lab.benchmarks.report import write

        write(chosen.files, chosen.out)
        return 0
    from lab.benchmarks import hosting

    hosting.start()
    import torch

    from lab.benchmarks.cases import Case

    torch.set_grad_enabled(False)
    case = Case.named(chosen.case).with_steps(chosen.steps) if "case" in chosen else None
    if chosen.command == "run":
        from lab.benchmarks.runs import run

        if not run(case, chosen.reps, chosen.out, chosen.budget_seconds):
            print("With no step active the latent differed from the unpatched one.", file=sys.stderr)
            return 1
    elif chosen.command == "floor":
        from lab.benchmarks.floor import floor

        floor(chosen.tokens, chosen.out)
    elif chosen.command == "growth":
        from lab.benchmarks.growth import growth

        growth(chosen.family, chosen.reps, chosen.out, chosen.budget_seconds)
    elif chosen.command == "compile":
        from lab.benchmarks.compiling import compile_all

        compile_all(case, chosen.backend, chosen.reps, chosen.out)
    elif chosen.command == "sync":
        from lab.benchmarks.syncs import sync

        sync(case, chosen.out)
    elif chosen.command == "every":
        from lab.benchmarks.every import every

        every(chosen.seeds, chosen.out)
    else:
        from lab.benchmarks.loading import loading

        loading(chosen.reps, chosen.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
