"""`report`: puts what was measured into RESULTS.md, between the marks of that name.

What is compared is compared within a repetition. Shown are medians, with their intervals where there is one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import bootstrap

from lab.benchmarks.cases import ALL, HALF, HOST, LIMIT, NONE, UNPATCHED, VARIANTS
from lab.markdown import put
from lab.records import read

Found = dict[str, pd.DataFrame]  # the records by kind
MIB = 2**20
SHOWN = {
    UNPATCHED: "unpatched", LIMIT: "the limit", HOST: "ComfyUI's own SAG", ALL: "this pack, all steps",
    NONE: "this pack, no step", HALF: "this pack, half of the steps",
}  # fmt: skip

RATIOS: dict[str, Callable[[pd.DataFrame], pd.Series]] = {  # of times by variant
    "all steps / limit": lambda t: t[ALL] / t[LIMIT],
    "ComfyUI's own SAG / limit": lambda t: t[HOST] / t[LIMIT],
    "no step / unpatched": lambda t: t[NONE] / t[UNPATCHED],
    "half / (unpatched + half the limit's extra)": lambda t: t[HALF] / ((t[UNPATCHED] + t[LIMIT]) / 2),
    "limit / unpatched": lambda t: t[LIMIT] / t[UNPATCHED],
}
TURNS = [
    ("all steps", "earlier, all steps"), ("no step", "earlier, no step"), ("no step", UNPATCHED),
    ("earlier, no step", UNPATCHED), ("detail", "all steps"), ("all steps", HOST),
]  # fmt: skip
ENOUGH = 3  # repetitions for an interval


class Estimate(NamedTuple):
    """A median and its 95 % bootstrap interval; no interval (NaN) where there are too few values."""

    median: float
    low: float = np.nan
    high: float = np.nan


def estimate(values: Iterable[float]) -> Estimate:
    """Of the values that are there; NaN is none."""
    known = pd.Series(values, dtype=float).dropna()
    if len(known) < ENOUGH:
        return Estimate(known.median())
    return Estimate(known.median(), *bootstrap((known,), np.median, method="percentile", rng=0).confidence_interval)


def shown(values: Iterable[float], pattern: str = "{:.4f}") -> str:
    median, low, high = (pattern.format(value) for value in estimate(values))
    return median if low == "nan" else f"{median} ({low} to {high})"


def by_case(samples: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Of each case one row a repetition, one column a variant. Of a repetition that was begun twice the last counts."""
    last = samples.drop_duplicates(["case", "repetition", "variant"], keep="last")
    tables = last.pivot(index=["case", "repetition"], columns="variant", values="seconds").reindex(columns=VARIANTS)
    return {name: tables.loc[name].astype(float) for name in last["case"].unique()}


def write(files: list[Path], out: Path) -> None:
    """What was not measured stays as it is; but the machines are those of these files alone."""
    records = read(*files)
    found = {kind: pd.DataFrame([r for r in records if r["kind"] == kind]) for kind in {r["kind"] for r in records}}
    for name, (kinds, text) in BLOCKS.items():
        if found.keys() >= set(kinds.split()):
            put(out, f"<!-- {name} -->", f"<!-- {name} ends -->", text(found))
    print(out.read_text())


def machines(found: Found) -> str:
    """Each machine once, with the commands that ran on it."""
    commands: dict[str, dict[str, None]] = {}
    for facts in found["machine"].drop(columns="kind").to_dict("records"):
        command = re.sub(r"--(out|earlier) \S*/", r"--\1 out/", facts.pop("command"))  # no reader has that folder
        name = ", ".join([facts.pop("device"), *(f"{k} {v}" for k, v in facts.items() if not pd.isna(v))])
        commands.setdefault(name, {})[f"    {command}"] = None
    return "\n\n".join("\n".join([f"{name}:\n", *ran]) for name, ran in commands.items())


def ratios(found: Found) -> str:
    cases = by_case(found["sample"])
    cells = {f"{name} ({len(of)})": {k: shown(ratio(of)) for k, ratio in RATIOS.items()} for name, of in cases.items()}
    return pd.DataFrame(cells).T.to_markdown()


def times(found: Found) -> str:
    ms = 1000 * found["sample"].groupby(["case", "steps", "variant"], sort=False)["seconds"].median()
    cells = ms.unstack()[list(VARIANTS)].map("{:.0f}".format).replace("nan", "out of memory")
    return cells.rename(columns=SHOWN).reset_index().to_markdown(index=False)


def memory(found: Found) -> str:
    rows = found["sample"].dropna(subset="seconds").astype({"peak_bytes": float})
    peaks = rows.groupby(["case", "variant"], sort=False)["peak_bytes"].max().unstack()[list(VARIANTS)] / MIB
    cells = peaks.map("{:.0f}".format) + peaks.sub(peaks[UNPATCHED], axis="index").map(" ({:+.1f})".format)
    return cells.where(peaks.notna(), "not counted").rename(columns=SHOWN).to_markdown()


def checks(found: Found) -> str:
    same = found["identical"].groupby("case", sort=False)["value"].all()
    bad = found["sample"].loc[found["sample"]["finite"].eq(False), "case"].unique()
    return (f"Not bit-identical to unpatched with no step active: {', '.join(same.index[~same]) or 'none'} of "
            f"{', '.join(same.index)}. Latents that are not finite: {', '.join(bad) or 'none'}.")  # fmt: skip


def beside(found: Found) -> str:
    last = found["beside"].drop_duplicates(["case", "repetition", "variant"], keep="last")
    tables = last.pivot(index=["case", "repetition"], columns="variant", values="seconds")
    cells = {
        f"{case} ({len(t)})": {f"{name} / {base}": shown(t[name] / t[base]) for name, base in TURNS}
        for case, t in tables.groupby(level="case", sort=False)
    }
    return f"{machines(found)}\n\n{pd.DataFrame(cells).T.to_markdown()}".replace(f"/ {HOST} ", f"/ {SHOWN[HOST]} ")


def own(found: Found) -> str:
    """In all, less what the stopwatch takes, and in each hook where the records say it."""
    rows = found["own"].reset_index(drop=True)
    whole = 1000 * (rows["own_seconds"] - rows["stretches"] * rows["stopwatch"]).where(rows["stretches"] > 0)
    hooks = 1000 * pd.json_normalize(rows["hooks"].map(lambda of: of if isinstance(of, dict) else {}).tolist())
    keys = [rows["case"], rows["variant"].replace(HOST, SHOWN[HOST])]
    cells = whole.rename("in all, ms").groupby(keys, sort=False).agg(shown, "{:.2f}").to_frame()
    cells = cells.join(hooks.groupby(keys).median().map("{:.3f}".format).replace("nan", ""))
    return f"{machines(found)}\n\n{cells[cells['in all, ms'] != 'nan'].reset_index().to_markdown(index=False)}"


BLOCKS: dict[str, tuple[str, Callable[[Found], str]]] = {  # by their mark: the records that each needs, and its text
    "machines": ("machine sample", machines), "ratios": ("sample", ratios), "times": ("sample", times),
    "memory": ("sample", memory), "checks": ("sample", checks), "beside": ("machine beside", beside),
    "own": ("machine own", own),
}  # fmt: skip
