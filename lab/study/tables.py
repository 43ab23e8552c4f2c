"""The study's CSV as tables of Markdown and as figures in a sentence."""

from __future__ import annotations

import re
from typing import NamedTuple

import pandas as pd

from lab.study.questions import ARITHMETIC, STEPS, Setting, questions


class Column(NamedTuple):
    """A metric as it is shown."""

    title: str
    metric: str
    factor: float = 1.0
    decimals: int = 3


COLUMNS = (
    Column("Fréchet distance", "frechet"), Column("its change", "frechet_difference"),
    Column("precision %", "precision", 100, 1), Column("recall %", "recall", 100, 1),
    Column("right class %", "accuracy", 100, 1), Column("high frequencies, 1/1000", "high_frequency", 1000, 2),
    Column("clipped %", "clipped", 100, 2),
)  # fmt: skip
AGAINST = {
    "e": "the same without guidance, or against the setting named in the row",
    "settled": "the untouched test pictures",
    "arithmetic": f"the same in {ARITHMETIC}, or without guidance",
}
SETTLED = (Column("settled", "frechet_settled"), Column("its change", "frechet_settled_difference"))
BOTH_WAYS = (
    *COLUMNS[:2], *SETTLED, COLUMNS[2], Column("settled", "precision_settled", 100, 1),
    COLUMNS[3], Column("settled", "recall_settled", 100, 1),
)  # fmt: skip
CHANGES = tuple(
    Column("", f"{metric}_difference", 100, 1)
    for metric in ("precision", "recall", "accuracy", "precision_settled", "recall_settled")
)
A_CALL = Column("change a call, 1/1000", "frechet_per_call", 1000, 2)


def with_costs(results: pd.DataFrame) -> pd.DataFrame:
    """With UNet evaluations a picture, and what the distance changes for each extra one."""
    results = results.copy()
    prompts = 1 + ((results["cfg"] != 1) & (results["conditional"] == True)).astype(int)  # noqa: E712 - may be empty
    results["evaluations"] = results["steps"] * prompts + results["extra_calls"]
    for end in ("", "_low", "_high"):
        results[f"frechet_per_call{end}"] = results[f"frechet_difference{end}"] / results["extra_calls"]
    return results


def shown(row: pd.Series, column: Column) -> str:
    """`1.234 ± 0.034`, its 95 % interval; a dash where there is none."""
    if column.metric not in row or pd.isna(row[column.metric]) or abs(row[column.metric]) == float("inf"):
        return "–"
    sign = "+" if "difference" in column.metric or "per_call" in column.metric else ""
    value, high = (row[f"{column.metric}{end}"] * column.factor for end in ("", "_high"))
    return f"{value:{sign}.{column.decimals}f} ± {high - value:.{column.decimals}f}"


def label(name: str) -> str:
    """A setting's name without what all of a table share."""
    short = re.sub(rf"^\w+, |, {STEPS} steps(?=,)|, \d+ pictures", "", name)
    return re.sub(r"\((.*)\), scale 0", lambda found: f"({label(found[1])})", short)


def reading_order(setting: Setting) -> tuple:
    """Where a setting stands in its table: by cfg, then by what the question varies."""
    plain = Setting(setting.world)
    names = ("blur_sigma", "threshold", "masking", "every", "fade", "rescale")
    varied = [(getattr(setting, n) != getattr(plain, n), getattr(setting, n)) for n in names]  # what is plain first
    window = (setting.active or (-1, 0), setting.sigmas or (0.0, 0.0))
    return (not setting.conditional, setting.cfg_like, setting.cfg, setting.steps, setting.scale, *window, *varied)


def rows_of(results: pd.DataFrame, world: str, letter: str) -> pd.DataFrame:
    """The rows that answer a question, and last the floor, of as many pictures where there are so many."""
    if letter == "arithmetic":
        return in_other_arithmetic(results, world)
    if letter == "settled":
        return spoiled(results, world)
    names = [s.name for s in sorted(questions(world)[letter], key=reading_order)]
    found = results[results["name"].isin(names)].set_index("name", drop=False)
    found = found.reindex([n for n in names if n in found.index])
    floors = results[results["name"].str.startswith(f"{world}, test pictures, ")]
    if found.empty or floors.empty:
        return found
    nearest = (floors["count"] - found["count"].max()).abs().idxmin()
    return pd.concat([found, floors.loc[[nearest]]])


def spoiled(results: pd.DataFrame, world: str) -> pd.DataFrame:
    """Real pictures as they are, with noise and blurred, as many as there are."""
    own = results[results["name"].str.startswith(f"{world}, test pictures")]
    return own[own["count"] == own["count"].max()]


def in_other_arithmetic(results: pd.DataFrame, world: str) -> pd.DataFrame:
    """Settings that were sampled in the study's arithmetic and in another, each pair together."""
    own = results[results["world"] == world]
    twins, others = own[own["arithmetic"] == ARITHMETIC], own[own["arithmetic"] != ARITHMETIC]
    others = others[others["against"].isin(twins["name"])]
    return pd.concat([twins[twins["name"].isin(others["against"])], others]).sort_values("name")


def table(results: pd.DataFrame, world: str, letter: str) -> str:
    """A question's table in Markdown."""
    rows = rows_of(results, world, letter)
    if rows.empty:
        return "Not sampled yet."
    columns = [*COLUMNS[:2], *([A_CALL] if letter == "b" else []), *(SETTLED if letter in "abg" else ()), *COLUMNS[2:]]
    columns = list(BOTH_WAYS) if letter == "settled" else columns
    titles = ["setting", "UNet evaluations", *(["cfg by norm, parallel"] if letter == "e" else [])]
    titles += [column.title for column in columns]
    lines = [titles, ["---"] * len(titles)]
    for _, row in rows.iterrows():
        cost = "–" if pd.isna(row["evaluations"]) else f"{row['evaluations']:.0f}"
        effective = [f"{row['effective_norm']:.2f}, {row['effective_parallel']:.2f}"] if letter == "e" else []
        effective = ["–"] if effective == ["nan, nan"] else effective
        lines.append([label(row["name"]), cost, *effective, *(shown(row, column) for column in columns)])
    pictures = " and ".join(f"{n:,.0f}" for n in rows["count"].unique())
    caption = f"{pictures} pictures a row. The change is against {AGAINST.get(letter, 'the same without guidance')}."
    return "\n".join(["| " + " | ".join(line) + " |" for line in lines] + ["", caption])


def figure(results: pd.DataFrame, wanted: str) -> str:
    """`NAME: METRIC` as it stands in the tables; KeyError where there is none."""
    name, metric = (part.strip() for part in wanted.rsplit(":", 1))
    row = results[results["name"] == name]
    if len(row) != 1:
        raise KeyError(f"no setting named {name}")
    if metric in ("test_accuracy", "effective_norm", "effective_parallel", "frechet_corrected"):
        value = row.iloc[0][metric]
        return f"{value:.1%}".replace("%", " %") if metric == "test_accuracy" else f"{value:.2f}"
    return shown(row.iloc[0], next(c for c in (*COLUMNS, A_CALL, *BOTH_WAYS, *CHANGES) if c.metric == metric))
