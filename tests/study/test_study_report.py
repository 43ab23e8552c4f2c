"""The study's text says what its CSV says."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lab.study.metrics import GROUPS
from lab.study.questions import MANY, Setting, free_controls, planned
from lab.study.report import CSV, TEMPLATE, TEXT, draw_all, render
from lab.study.tables import collect, figure, label, passes, read, table, with_costs

SAG = Setting("fashion", 1.0)
MANY_SAG = Setting("fashion", 1.0, count=MANY)
MATCHED = Setting("fashion", cfg=0.0, cfg_like=SAG.name, cfg_by="norm")
METRICS = ("frechet", "precision", "recall", "accuracy", "high_frequency", "clipped")


def line(setting, frechet, extra_calls, spread=0.01, **more):
    """A line as lab.study.sample_settings writes it, its groups spread evenly."""
    apart = np.linspace(-spread, spread, GROUPS)
    figures = {m: [0.5, *(0.5 + apart)] for m in METRICS} | {"frechet": [frechet, *(frechet + apart)]}
    own = {"name": setting.name, **asdict(setting), "plain": setting.plain.name, "extra_calls": extra_calls}
    own |= {"arithmetic": "float16", "effective_norm": 2.5, "effective_parallel": 2.25, "figures": figures}
    return json.loads(json.dumps(own | more))


@pytest.fixture(scope="module")
def results():
    lines = [line(SAG.plain, 1.3, 0), line(SAG, 1.2, 20)]
    return with_costs(collect(lines))


def test_a_row_shows_the_figure_its_interval_and_the_change_with_what_is_shared_gone(results):
    shown = next(row for row in table(results, "fashion", "d").splitlines() if row.startswith("| cfg 2, scale 1 |"))
    assert "| 60 | 1.200 ± 0.055 | -0.100 ± 0.000 | 50.0 ± 5.5 |" in shown


def test_a_sentence_shows_what_the_table_shows(results):
    assert figure(results, f"{SAG.name}: frechet") == "1.200 ± 0.055"
    assert render(f"It is {{{{{SAG.name}: frechet}}}}.", results).endswith("\nIt is 1.200 ± 0.055.")


def test_a_sentence_about_a_setting_that_was_not_sampled_is_refused(results):
    with pytest.raises(KeyError, match="no setting named fashion, cfg 3"):
        figure(results, "fashion, cfg 3: frechet")


def test_a_question_without_rows_says_so(results):
    assert table(results, "emoji", "a") == "Not sampled yet."


def test_plain_cfg_at_a_matched_scale_is_held_against_the_node():
    row = collect([line(SAG, 1.2, 20), line(MATCHED, 1.5, 0)]).set_index("name").loc[MATCHED.name]
    assert (row["against"], row["frechet_difference"]) == (SAG.name, pytest.approx(0.3))


def test_other_arithmetic_is_held_against_the_same_in_the_study_s_own():
    other = line(SAG, 1.21, 20, name=f"{SAG.name}, float32", plain=SAG.name, arithmetic="float32")
    lines = [line(SAG.plain, 1.3, 0), line(SAG, 1.2, 20), other]
    shown = table(with_costs(collect(lines)), "fashion", "arithmetic").splitlines()
    assert [row.split(" | ")[0] for row in shown[2:4]] == ["| cfg 2, scale 1", "| cfg 2, scale 1, float32"]
    assert "| +0.010 ± 0.000 |" in shown[3]


def test_the_scale_s_table_shows_what_was_settled_and_a_dash_where_nothing_was():
    sag, plain = line(MANY_SAG, 1.2, 20), line(MANY_SAG.plain, 1.3, 0)
    other = line(Setting("fashion", 1.0, 3.0, count=MANY), 1.4, 20)
    for row, settled in ((sag, 0.7), (plain, 0.8)):
        row["figures"]["frechet_settled"] = [
            settled + f - row["figures"]["frechet"][0] for f in row["figures"]["frechet"]
        ]
    shown = table(with_costs(collect([sag, plain, other])), "fashion", "a").splitlines()
    of = {row.split(" | ")[0]: row.split(" | ")[4:6] for row in shown}
    assert of["| cfg 2, scale 1"] == ["0.700 ± 0.055", "-0.100 ± 0.000"]
    assert of["| cfg 2, scale 0"] == ["0.800 ± 0.055", "–"] and of["| cfg 3, scale 1"] == ["–", "–"]


def test_only_real_pictures_as_many_as_there_are_stand_in_the_table_of_what_the_distance_sees():
    lines = [
        {**line(SAG, 1.2, 20), "name": f"fashion, test pictures, {count} pictures", "plain": "", "count": count}
        for count in (400, 2000)
    ]
    shown = table(
        with_costs(collect([line(SAG.plain, 1.3, 0), line(SAG, 1.2, 20), *lines])),
        "fashion",
        "settled",
    )
    assert [row.split(" | ")[0] for row in shown.splitlines()[2:4]] == ["| test pictures", ""]


def planned_lines(dose_by_imagenet=-0.2):
    """Lines of a world: the dose a little better than all others in the classifier's features, and so in ImageNet's."""
    plain, dose = planned("wesnoth")
    lines = [
        line(plain, 2.0, 0),
        line(dose, 1.7, 7),
        *(line(s, 1.9 + n / 100, 0) for n, s in enumerate(free_controls("wesnoth"))),
    ]
    for row in lines:
        own = dose_by_imagenet if row["name"] == dose.name else 0.0
        row["figures"]["frechet_imagenet"] = [f + 10 + own for f in row["figures"]["frechet"]]
    return lines


def test_the_dose_passes_where_it_is_better_than_all_in_both_spaces():
    assert passes(collect(planned_lines()), "wesnoth")


def test_it_does_not_pass_where_one_space_puts_a_free_control_before_it():
    assert not passes(collect(planned_lines(dose_by_imagenet=0.25)), "wesnoth")


def test_it_does_not_pass_where_the_interval_reaches_0():
    lines, dose = planned_lines(), planned("wesnoth")[1]
    figures = next(row for row in lines if row["name"] == dose.name)["figures"]
    figures["frechet"] = [1.7, *np.linspace(1.0, 2.4, GROUPS)]
    assert not passes(collect(lines), "wesnoth")


def test_a_row_of_the_plan_shows_what_the_dose_does_beside_it():
    shown = table(with_costs(collect(planned_lines())), "wesnoth", "decide").splitlines()
    row = next(row for row in shown if row.startswith("| cfg 3, scale 0 |"))
    assert row.split(" | ")[2:8] == ["2.000 ± 0.055", "–", "-0.300 ± 0.000", "12.00 ± 0.06", "–", "-0.50 ± 0.00"]


def test_a_label_leaves_out_what_all_rows_share():
    assert label(SAG.name) == "cfg 2, scale 1"
    assert label(MATCHED.name) == "cfg as norm of (cfg 2, scale 1)"


def test_scale_and_window_are_drawn_of_the_worlds_that_have_rows(tmp_path):
    results = read(CSV)
    draw_all(results[results["world"] == "emoji"], tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["emoji_a.png", "emoji_b.png"]


def test_the_text_is_what_the_csv_gives():
    assert TEXT.read_text() == render(TEMPLATE.read_text(), read(CSV))


def test_the_csv_keeps_every_digit_that_is_shown(results, tmp_path):
    results.to_csv(tmp_path / "r.csv", index=False, float_format="%.6g")
    again = read(Path(tmp_path / "r.csv"))
    assert isinstance(again, pd.DataFrame) and table(again, "fashion", "d") == table(results, "fashion", "d")
