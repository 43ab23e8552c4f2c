"""The study's results as a CSV, one row a setting, and that CSV as tables of Markdown and as figures in a sentence.

For every metric: its figure, `low` and `high` of its 95 % interval, and the same of its difference from the setting
named in `against`, over the very same noise and classes. Rows of plan.md also have that of the dose minus the row.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lab.study.metrics import corrected, interval
from lab.study.questions import ARITHMETIC, STEPS, VARIED, Setting, free_controls, planned, questions

TITLES = {
    "frechet": "Fréchet distance", "precision": "precision %", "recall": "recall %", "accuracy": "right class %",
    "high_frequency": "high frequencies, 1/1000", "clipped": "clipped %", "frechet_per_call": "change a call, 1/1000",
    "frechet_imagenet": "ImageNet's distance", "precision_imagenet": "precision %", "recall_imagenet": "recall %",
    "high_frequency_off": "high frequencies off, 1/1000", "nearest": "nearest training picture", "copied": "copied %",
}  # fmt: skip
UNITS = {"precision": (100, 1), "recall": (100, 1), "accuracy": (100, 1), "clipped": (100, 2), "copied": (100, 1),
         "high_frequency": (1000, 2), "high_frequency_off": (1000, 2), "frechet_per_call": (1000, 2),
         "frechet_imagenet": (1, 2)}  # a factor, and decimals; else (1, 3)  # fmt: skip
AGAINST = {
    "e": "the same without guidance, or against the setting named in the row",
    "settled": "the untouched test pictures",
    "arithmetic": f"the same in {ARITHMETIC}, or without guidance",
}
CHANGE, SETTLED = ["frechet", "frechet_difference"], ["frechet_settled", "frechet_settled_difference"]
OTHERS = ["precision", "recall", "accuracy", "high_frequency", "clipped"]
BOTH_WAYS = [*CHANGE, *SETTLED, "precision", "precision_settled", "recall", "recall_settled"]
EYES = ("frechet", "frechet_imagenet")  # the distance in each feature space that decides
PLANNED = [f"{eye}{end}" for eye in EYES for end in ("", "_difference", "_dose")]
COLUMNS = {"decide": [*PLANNED, "precision", "recall", "precision_imagenet", "recall_imagenet", "accuracy",
                      "high_frequency_off", "clipped"],
           "choose": [*PLANNED[:2], *PLANNED[3:5], "precision", "recall", "accuracy", "high_frequency_off"],
           "sweep": ["frechet", "frechet_imagenet", "precision", "recall", "accuracy", "high_frequency_off", "nearest",
                     "copied"],
           "a": [*CHANGE, *SETTLED, *OTHERS], "b": [*CHANGE, "frechet_per_call", *SETTLED, *OTHERS],
           "g": [*CHANGE, *SETTLED, *OTHERS], "settled": BOTH_WAYS}  # by question  # fmt: skip


def with_interval(name: str, replicates: np.ndarray) -> dict[str, float]:
    return dict(zip((name, f"{name}_low", f"{name}_high"), (replicates[0], *interval(replicates)), strict=True))


def collect(lines: list[dict[str, Any]]) -> pd.DataFrame:
    """One row a setting. A name that comes twice must be from one run continued, and the last one counts."""
    rows, table = {line["name"]: line for line in lines}, []
    for row in rows.values():
        pairs = {key: " to ".join(f"{v:g}" for v in value) for key, value in row.items() if isinstance(value, list)}
        found = {key: value for key, value in (row | pairs).items() if key not in ("figures", "plain")}
        against = rows.get(row.get("cfg_like") or row.get("plain", ""), row)
        found["against"] = against["name"] if against is not row else ""
        figures = {metric: np.array(replicates) for metric, replicates in row["figures"].items()}
        for metric, replicates in figures.items():
            found |= with_interval(metric, replicates)
            if found["against"] and metric in against["figures"]:
                found |= with_interval(f"{metric}_difference", replicates - np.array(against["figures"][metric]))
        dose = rows.get(planned(row["world"], row["count"])[1].name)
        for eye in figures.keys() & (dose["figures"].keys() if dose else set()) & set(EYES):
            found |= with_interval(f"{eye}_dose", np.array(dose["figures"][eye]) - figures[eye])
        table.append(found | {"frechet_corrected": corrected(figures["frechet"])})
    return pd.DataFrame(table)


def read(csv: Path) -> pd.DataFrame:
    return with_costs(pd.read_csv(csv))


def with_costs(results: pd.DataFrame) -> pd.DataFrame:
    """With UNet evaluations a picture, and what the distance changes for each extra one."""
    results = results.copy()
    prompts = 1 + ((results["cfg"] != 1) & (results["conditional"] == True)).astype(int)  # noqa: E712 - may be empty
    results["evaluations"] = results["steps"] * prompts + results["extra_calls"]
    for end in ("", "_low", "_high"):
        results[f"frechet_per_call{end}"] = results[f"frechet_difference{end}"] / results["extra_calls"]
    return results.replace([np.inf, -np.inf], np.nan)


def unit(metric: str) -> tuple[float, int]:
    return UNITS.get(re.sub("_settled|_difference|_dose", "", metric), (1, 3))


def title(metric: str) -> str:
    ends = {"_difference": "its change", "_dose": "dose minus this"}
    return next((ends[e] for e in ends if metric.endswith(e)), TITLES.get(metric, "settled"))


def shown(row: pd.Series, metric: str) -> str:
    """`1.234 ± 0.034`, its 95 % interval; a dash where there is none."""
    if pd.isna(row.get(metric)):
        return "–"
    (factor, decimals), sign = unit(metric), "+" if re.search("difference|per_call|dose", metric) else ""
    value, high = (row[f"{metric}{end}"] * factor for end in ("", "_high"))
    return f"{value:{sign}.{decimals}f} ± {high - value:.{decimals}f}"


def label(name: str) -> str:
    """A setting's name without what all of a table share."""
    short = re.sub(rf"^\w+, |, {STEPS} steps(?=,)|, \d+ pictures", "", name)
    return re.sub(r"\((.*)\), scale 0", lambda found: f"({label(found[1])})", short)


def reading_order(setting: Setting) -> tuple:
    """Where a setting stands in its table: by cfg, then by what the question varies."""
    varied = [(field in setting.varied(), getattr(setting, field)) for field in VARIED]  # what is plain first
    window = (setting.active or (-1, 0), setting.sigmas or (0.0, 0.0))
    return (not setting.conditional, setting.cfg_like, setting.cfg, setting.steps, setting.scale, *window, *varied)


def rows_of(results: pd.DataFrame, world: str, letter: str) -> pd.DataFrame:
    """The rows that answer a question, and last the floor, of as many pictures where there are so many."""
    own = results[results["world"] == world]
    floors = own[own["name"].str.startswith(f"{world}, test pictures")]
    if letter == "settled":
        return floors[floors["count"] == floors["count"].max()]
    if letter == "arithmetic":  # settings that were sampled in the study's and in another, each pair together
        others = own[own["name"].str.contains(", float32$")]
        return own[own["name"].isin([*others["name"], *others["against"]])].sort_values("name")
    names = [s.name for s in sorted(questions(world)[letter], key=reading_order)]
    found = own.set_index("name", drop=False).reindex(names).dropna(how="all")
    floors = floors[floors["name"].str.contains("test pictures, ")]
    nearest = floors.loc[(floors["count"] - found["count"].max()).abs().nsmallest(1).index]
    return pd.concat([found, nearest]) if len(found) else found


def table(results: pd.DataFrame, world: str, letter: str) -> str:
    """A question's table in Markdown."""
    rows = rows_of(results, world, letter)
    if rows.empty:
        return "Not sampled yet."
    cells = [rows["name"].map(label).rename("setting"), rows["evaluations"].map("{:.0f}".format)]
    cells[1] = cells[1].replace("nan", "–").rename("UNet evaluations")
    if letter == "e":
        both = rows["effective_norm"].map("{:.2f}, ".format) + rows["effective_parallel"].map("{:.2f}".format)
        cells.append(both.replace("nan, nan", "–").rename("cfg by norm, parallel"))
    for metric in COLUMNS.get(letter, [*CHANGE, *OTHERS]):
        cells.append(rows.apply(shown, axis=1, metric=metric).rename(title(metric)))
    lines = [[own.name for own in cells], ["---"] * len(cells), *zip(*cells, strict=True)]
    pictures = " and ".join(f"{n:,.0f}" for n in rows["count"].unique())
    caption = f"{pictures} pictures a row. The change is against {AGAINST.get(letter, 'the same without guidance')}."
    return "\n".join(["| " + " | ".join(line) + " |" for line in lines] + ["", caption])


def figure(results: pd.DataFrame, wanted: str) -> str:
    """`NAME: METRIC` as it stands in the tables; KeyError where there is none."""
    name, metric = (part.strip() for part in wanted.rsplit(":", 1))
    row = results[results["name"] == name]
    if len(row) != 1:
        raise KeyError(f"no setting named {name}")
    if metric == "test_accuracy":
        return f"{row.iloc[0][metric]:.1%}".replace("%", " %")
    bare = metric in ("effective_norm", "effective_parallel", "frechet_corrected")
    return f"{row.iloc[0][metric]:.2f}" if bare else shown(row.iloc[0], metric)


def passes(results: pd.DataFrame, world: str) -> bool:
    """The rule of plan.md: in both feature spaces the dose lies below no guidance and the best free control."""
    own = results.set_index("name")
    plain, dose = (own.loc[setting.name] for setting in planned(world))
    controls = own.loc[[setting.name for setting in free_controls(world)]]
    best = {eye: controls.loc[controls[eye].idxmin()] for eye in EYES}
    return all(dose[f"{e}_difference_high"] < 0 and best[e][f"{e}_dose_high"] < 0 for e in EYES)
