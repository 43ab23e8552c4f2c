"""`report`: tables and plots of what was measured, and which goals were met."""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from lab.benchmarks import plots
from lab.benchmarks.paired import Estimate, estimate, half_limit, ratio, table
from lab.benchmarks.records import Record, read
from lab.benchmarks.timing import MIB
from lab.benchmarks.variants import ALL, HALF, HOST, LIMIT, NONE, UNPATCHED, VARIANTS

LAUNCH_BOUND = "sd15-512-b1"
GPU_BOUND = ("sd15-512-b16", "sdxl-1024-b4", "sdxl-2048-b1")
MEMORY_CASE, LARGEST_CASE = "sdxl-2048-b1", "sdxl-4096-b1"
SHOWN = {
    UNPATCHED: "unpatched", LIMIT: "the limit", HOST: "ComfyUI's own SAG", ALL: "this pack, all steps",
    NONE: "this pack, no step", HALF: "this pack, half of the steps",
}  # fmt: skip


class Results:
    """What one case gave: times in seconds and peaks in bytes, by repetition and variant."""

    def __init__(self, name: str, records: list[Record]) -> None:
        samples = [r for r in records if r["kind"] == "sample" and r["case"] == name]
        self.name, self.steps = name, samples[0]["steps"]
        self.times = table(samples).reindex(columns=VARIANTS)
        self.peaks = pd.DataFrame(samples).pivot_table("peak_bytes", "repetition", "variant").reindex(columns=VARIANTS)
        same = [r["value"] for r in records if r["kind"] == "identical" and r["case"] == name]
        self.identical = bool(same) and all(same)
        self.finite = all(r["finite"] for r in samples if r["seconds"] is not None)

    def over_limit(self, variant: str) -> Estimate:
        return ratio(self.times, lambda t: t[variant], lambda t: t[LIMIT])

    def over_unpatched(self, variant: str) -> Estimate:
        return ratio(self.times, lambda t: t[variant], lambda t: t[UNPATCHED])

    def over_half_limit(self) -> Estimate:
        return ratio(self.times, lambda t: t[HALF], half_limit)

    def extra_per_step(self, variant: str) -> Estimate:
        """Milliseconds that a variant with all steps active adds to each."""
        return estimate(1000 * (self.times[variant] - self.times[UNPATCHED]) / self.steps)

    def extra_memory(self, variant: str) -> float:
        """MiB at the peak, beyond the unpatched one's."""
        return (self.peaks[variant] - self.peaks[UNPATCHED]).max() / MIB


def cases_of(records: list[Record]) -> dict[str, Results]:
    """The cases that were measured: those of the goals in their order, then any others."""
    measured = dict.fromkeys(r["case"] for r in records if r["kind"] == "sample")
    usual = [name for name in (*GPU_BOUND, LARGEST_CASE, LAUNCH_BOUND) if name in measured]
    return {name: Results(name, records) for name in dict.fromkeys([*usual, *measured])}


class Goal(NamedTuple):
    what: str
    measured: str
    met: bool | None  # None where it was not measured
    sure: bool = True  # whether the whole interval says the same

    def row(self) -> list[str]:
        verdict = {True: "met", False: "missed", None: "not measured"}[self.met]
        return [self.what, self.measured, verdict if self.sure else "not missed; the interval reaches beyond"]


def at_most(what: str, goal: float, found: Estimate | None) -> Goal:
    """A goal: missed only where its whole interval lies above. No interval, no judgement."""
    if found is None:
        return Goal(what, "", None)
    if found.count < 3:
        return Goal(what, found.shown(), None)
    return Goal(what, found.shown(), not found.above(goal), found.above(goal) or found.high <= goal)


def goals(cases: dict[str, Results], records: list[Record]) -> list[Goal]:
    """The goals in the order in which a user would ask."""
    found = []
    for name in GPU_BOUND:
        case = cases.get(name)
        found.append(at_most(f"{name}: all steps active, at most 1.005 of the limit", 1.005,
                             case and case.over_limit(ALL)))  # fmt: skip
        found.append(at_most(f"{name}: no step active, at most 1.005 of unpatched", 1.005,
                             case and case.over_unpatched(NONE)))  # fmt: skip
        found.append(at_most(f"{name}: half active, at most 1.005 of unpatched + half the limit's extra", 1.005,
                             case and case.over_half_limit()))  # fmt: skip
    same = {name: case.identical for name, case in cases.items()}
    listed = ", ".join(f"{name} {'yes' if value else 'no'}" for name, value in same.items())
    found.append(Goal("no step active: bit-identical to unpatched", listed, all(same.values()) if same else None))
    found += memory_goals(cases)
    case = cases.get(LAUNCH_BOUND)
    what = f"{LAUNCH_BOUND}: no slower than ComfyUI's own SAG per active step (extra ms, this pack minus the host's)"
    difference = estimate(1000 * (case.times[ALL] - case.times[HOST]) / case.steps) if case else None
    found.append(at_most(what, 0.0, difference))
    loads = [1000 * r["seconds"] for r in records if r["kind"] == "load"]
    loaded = estimate(loads) if loads else None
    found.append(Goal("importing the pack, beyond torch and the host: below 20 ms",
                      loaded.shown("{:.1f}") + " ms" if loaded else "", loaded and not loaded.above(20)))  # fmt: skip
    return found


def memory_goals(cases: dict[str, Results]) -> list[Goal]:
    found, case = [], cases.get(MEMORY_CASE)
    extra = case.extra_memory(ALL) if case else float("nan")
    measured = not pd.isna(extra)
    found.append(Goal(f"{MEMORY_CASE}: peak memory at most 32 MiB over unpatched",
                      f"{extra:+.1f} MiB" if measured else "", extra <= 32 if measured else None))  # fmt: skip
    largest = cases.get(LARGEST_CASE)
    ran = None if largest is None else not largest.times[ALL].isna().any()
    return [*found, Goal(f"{LARGEST_CASE}: runs at all", "" if ran is None else "yes" if ran else "no", ran)]


def markdown(header: list[str], rows: Iterable[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def ratios_table(cases: dict[str, Results]) -> str:
    columns: dict[str, Callable[[Results], Estimate]] = {
        "all steps / limit": lambda c: c.over_limit(ALL),
        "ComfyUI's own SAG / limit": lambda c: c.over_limit(HOST),
        "no step / unpatched": lambda c: c.over_unpatched(NONE),
        "half / (unpatched + half the limit's extra)": Results.over_half_limit,
        "limit / unpatched": lambda c: c.over_unpatched(LIMIT),
    }
    rows = [[f"{n} ({len(c.times)})", *(f(c).shown() for f in columns.values())] for n, c in cases.items()]
    return markdown(["case (repetitions)", *columns], rows)


def times_table(cases: dict[str, Results]) -> str:
    def cell(case: Results, variant: str) -> str:
        times = case.times[variant].dropna()
        return "out of memory" if times.empty else f"{1000 * times.median():.0f}"

    rows = [[f"{name} ({case.steps})", *(cell(case, v) for v in VARIANTS)] for name, case in cases.items()]
    return markdown(["ms a sample (steps)", *(SHOWN[v] for v in VARIANTS)], rows)


def memory_table(cases: dict[str, Results]) -> str:
    def cell(case: Results, variant: str) -> str:
        if case.times[variant].isna().all():
            return "out of memory"
        peak = case.peaks[variant].max() / MIB
        return f"{peak:.0f}" if variant == UNPATCHED else f"{peak:.0f} ({case.extra_memory(variant):+.1f})"

    counted = {name: case for name, case in cases.items() if case.peaks.notna().any(axis=None)}
    rows = [[name, *(cell(case, v) for v in VARIANTS)] for name, case in counted.items()]
    return markdown(["MiB above the weights (over unpatched)", *(SHOWN[v] for v in VARIANTS)], rows) if rows else ""


def launch_bound_table(case: Results) -> str:
    rows = [[SHOWN[v], case.extra_per_step(v).shown("{:.2f}")] for v in (LIMIT, HOST, ALL)]
    return markdown(["extra per active step", "ms"], rows)


def floor_section(records: list[Record]) -> str:
    rows = [r for r in records if r["kind"] == "floor"]
    limits = next(r for r in records if r["kind"] == "ceilings")
    lines = markdown(
        ["heads x dim", "tokens", "GFLOP", "MiB of q, k", "exp, millions", "floor, ms", "measured, ms",
         "times the floor", "times the float32 floor", "error against float64"],
        [[f"{r['heads']} x {r['dim']}", f"{r['tokens']:,}", f"{r['flops'] / 1e9:,.1f}", f"{r['bytes'] / MIB:,.1f}",
          f"{r['exps'] / 1e6:,.0f}", f"{1e3 * r['floor']:.3f}", f"{1e3 * r['seconds']:.3f}",
          f"{r['seconds'] / r['floor']:.1f}", f"{r['seconds'] / r['floor_float32']:.1f}",
          "" if r["error"] is None else f"{r['error']:.1e}"] for r in rows])  # fmt: skip
    return "\n\n".join([
        "## The map alone",
        f"Measured ceilings: a large copy {limits['copy_bytes_per_s'] / 1e12:.2f} TB/s (read and written), "
        f"a product of 8192 x 8192 matrices {limits['float16_flops'] / 1e12:.0f} TFLOP/s in float16 and "
        f"{limits['float32_flops'] / 1e12:.0f} TFLOP/s in float32. The floor is every product of Q K^T once at the "
        "float16 rate, or every byte of q and k once at the copy's, whichever takes longer; the exponentials are "
        "counted, not timed. The float32 floor takes the float32 rate.",
        lines,
    ])  # fmt: skip


def compile_section(records: list[Record]) -> str:
    found = {r["variant"]: r for r in records if r["kind"] == "compile"}
    times = defaultdict(list)
    for record in records:
        if record["kind"] == "compile time" and record["seconds"] is not None:
            times[record["variant"], record["how"]].append(1000 * record["seconds"])
    rows = [
        [SHOWN[name], str(sum(r["breaks"].values())), str(r["graphs"][-1]), str(r["late"]), f"{r['distance']:.2e}",
         estimate(times[name, "eager"]).shown("{:.0f}"), estimate(times[name, "compiled"]).shown("{:.0f}")]
        for name, r in found.items()
    ]  # fmt: skip
    first = next(iter(found.values()))
    reasons = sorted({reason for r in found.values() for reason in r["breaks"]})
    parts = [
        "## torch.compile",
        f"{first['case']}, {first['steps']} steps, backend {first['backend']}, through ComfyUI's TorchCompileModel. "
        "The distance is that of the compiled model's latent from the same model's without compiling; the distance "
        f"that SAG itself makes is {first['sag_distance']:.2e}.",
        markdown(["", "graph breaks", "graphs", "made after step 2", "distance", "eager, ms", "compiled, ms"], rows),
        *(f"- {reason}" for reason in reasons),
    ]  # fmt: skip
    return "\n\n".join(parts)


def growth_section(records: list[Record], picture: Path) -> str:
    found = [r for r in records if r["kind"] == "growth"]
    rows, empty = pd.DataFrame(found), next(r["seconds"] for r in records if r["kind"] == "stopwatch")
    plots.growth(found, picture)
    rows["ms"] = 1000 * rows["own_seconds"]
    lines = []
    for axis in ("tokens", "batch", "steps"):
        for (side, batch, steps), own in rows[rows["axis"] == axis].groupby(["side", "batch", "steps"]):
            times = [estimate(own[own["variant"] == v]["ms"].to_numpy()).shown("{:.3f}") for v in plots.GROWING]
            lines.append([axis, f"{side}x{side}", f"{batch}", f"{steps}", *times])
    family = plots.KINDS[rows["case"].iloc[0].split("-")[0]]
    header = ["along", "picture", "batch", "steps", *(f"{name}, ms" for name, *_ in plots.GROWING.values())]
    return "\n\n".join([
        "## Growth",
        "A node's own time in a step: what passes inside its hooks, without what they ask of ComfyUI. On a GPU it is "
        "timed in the GPU's queue. ComfyUI's own SAG computes the attention of its layer itself, and that counts. "
        f"The UNet is {family}, {rows['repetition'].nunique()} repetitions. What stands on two axes was timed twice. "
        "Where the GPU waits for the CPU, as with one small picture, its time is what is seen. It wanders; at least "
        f"{1000 * empty * rows['stretches'].max():.2f} ms of it are the stopwatch's own.",
        "![A node's own time against tokens, batch and steps](growth.png)",
        markdown(header, lines),
    ])  # fmt: skip


def sync_section(records: list[Record]) -> str:
    def total(record: Record, what: str) -> str:
        names = list(itertools.chain.from_iterable(record[what]))
        return f"{len(names)}" + (f" ({', '.join(sorted(set(names)))})" if names else "")

    rows = [[SHOWN[r["variant"]], str(r["calls"]), total(r, "inside"), total(r, "draining")]
            for r in records if r["kind"] == "sync"]  # fmt: skip
    header = ["", "UNet calls", "waits inside a call", "waits for a call's last kernel"]
    return "## Waits of the CPU for the GPU, in one sample\n\n" + markdown(header, rows)


def machines(records: list[Record]) -> str:
    """Each machine once, with the commands that ran on it."""
    by_machine = defaultdict(list)
    for record in records:
        if record["kind"] == "machine":
            facts = {k: v for k, v in record.items() if k not in ("kind", "command")}
            name = ", ".join([facts.pop("device"), *(f"{k} {v}" for k, v in facts.items())])
            by_machine[name].append(re.sub(r"--out \S*/", "--out out/", record["command"]))  # no reader has that folder
    blocks = []
    for machine, commands in by_machine.items():
        blocks.append("\n".join([f"{machine}:\n", *(f"    {c}" for c in dict.fromkeys(commands))]))
    return "\n\n".join(blocks)


def write(files: list[Path], out: Path) -> None:
    """RESULTS.md, and its pictures beside it."""
    records = read(*files)
    kinds, cases = {r["kind"] for r in records}, cases_of(records)
    parts = ["# Results", machines(records)]
    if cases:
        plots.overhead(cases, out.parent / "overhead.png")
        parts += [*case_parts(cases), "## Goals",
                  "A goal counts as missed where the whole interval lies above it.", markdown(["goal", "measured", ""],
                  (g.row() for g in goals(cases, records)))]  # fmt: skip
    if "floor" in kinds:
        parts.append(floor_section(records))
    if "growth" in kinds:
        parts.append(growth_section(records, out.parent / "growth.png"))
    if "compile" in kinds:
        parts.append(compile_section(records))
    if "sync" in kinds:
        parts.append(sync_section(records))
    if "every" in kinds:
        plots.frontier([r for r in records if r["kind"] == "every"], out.parent / "every.png")
        parts += ["## Reusing guidance: `every`",
                  "The demo's trained model, cfg 2, scale 1.5. Dashed: how far the picture is without SAG.",
                  "![UNet calls saved against distance, for every from 1 to 8](every.png)"]  # fmt: skip
    out.write_text("\n\n".join(filter(None, parts)) + "\n")
    print(out.read_text())


def case_parts(cases: dict[str, Results]) -> list[Any]:
    parts = [
        "## Time and memory",
        "cfg 7, Euler, previews off, all variants in shuffled order within each repetition. The limit is unpatched "
        "sampling plus one bare evaluation of the negative prompt in each step. Ratios are paired within a repetition: "
        "medians, with their 95 % bootstrap intervals. Times are medians of each column, so they need not agree with "
        "the ratios where the card's clock wandered.",
        "![What this pack and ComfyUI's own SAG cost beyond the least possible](overhead.png)",
        ratios_table(cases), times_table(cases), memory_table(cases),
    ]  # fmt: skip
    if LAUNCH_BOUND in cases:
        parts += [f"{LAUNCH_BOUND} waits for the CPU that launches its work, so it stands apart:",
                  launch_bound_table(cases[LAUNCH_BOUND])]  # fmt: skip
    unfinished = [name for name, case in cases.items() if not case.finite]
    return parts + [f"Not finite: {', '.join(unfinished)}."] * bool(unfinished)
