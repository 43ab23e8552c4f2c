"""The earlier study's page says what its CSV says. The program that made it is gone, its figures are not."""

import re

import pandas as pd

from lab.loading import ROOT

PAGE, CSV = (ROOT / f"docs/study/paper.{kind}" for kind in ("md", "csv"))
UNITS = ((1, 3), (100, 1), (100, 2), (1000, 2))  # of the page: a factor, and decimals
ROWS = pd.read_csv(CSV).set_index("name", drop=False)
for end in ("", "_low", "_high"):
    ROWS[f"per_call{end}"] = ROWS[f"frechet_difference{end}"] / ROWS["extra_calls"]
GUIDED = ROWS[(ROWS["arithmetic"] == "float16") & (ROWS["scale"] > 0)]


def figures():
    """Every figure of the CSV with its interval, in each unit that the page knows."""
    metrics = [column.removesuffix("_high") for column in ROWS if column.endswith("_high")]
    values = pd.concat([ROWS[[m, f"{m}_high"]].set_axis(["value", "high"], axis=1) for m in metrics]).dropna()
    for factor, decimals in UNITS:
        for value, high in (values * factor).itertuples(index=False):
            yield f"{value:.{decimals}f} ± {high - value:.{decimals}f}"


def test_every_figure_of_the_page_stands_in_its_csv():
    told = re.findall(r"-?[\d.]+ ± [\d.]+", PAGE.read_text(encoding="utf-8"))
    assert len(told) > 700 and not {*told} - {*figures()}


def test_every_scale_above_0_raised_the_distance():
    assert len(GUIDED) > 60 and (GUIDED["frechet_difference_low"] > 0).all()


def test_with_the_haze_aside_garments_gained_where_cfg_was_too_weak_or_too_strong_and_emoji_nowhere():
    settled = "frechet_settled_difference"
    for gained in ("unconditional, scale 0.75", "cfg 1, scale 0.5", "cfg 1.5, scale 0.5", "cfg 3, scale 1.5"):
        assert ROWS.loc[f"fashion, {gained}, 20 steps, 10000 pictures", f"{settled}_high"] < 0
    assert (GUIDED[GUIDED["world"] == "emoji"][f"{settled}_low"] > 0).all()


def test_the_later_a_third_of_the_steps_the_more_harm_each_call_did():
    for world, cfg in (("fashion", 2), ("emoji", 3)):
        own = GUIDED[(GUIDED["world"] == world) & (GUIDED["cfg"] == cfg)].set_index("active")
        assert own.loc[["0 to 7", "7 to 14", "13 to 20"], "per_call"].is_monotonic_increasing


def test_the_mask_did_less_harm_than_a_random_one_and_that_less_than_none():
    masks = ("", ", masking random", ", threshold 0.0")
    names = [f"fashion, cfg 2, scale 1{mask}, 20 steps, 2000 pictures" for mask in masks]
    assert ROWS.loc[names, "frechet_difference"].is_monotonic_increasing
