"""The study's text says what its CSV says."""

import json
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest

from lab.study.metrics import GROUPS
from lab.study.questions import PLANNED_CFG, Setting, deciding, free_controls, planned
from lab.study.report import CSV, TEMPLATE, TEXT, render
from lab.study.tables import collect, figure, label, passes, read, rule, table

PLAIN, SAG = planned("wesnoth")[0], deciding("wesnoth")["the paper's SAG"]
METRICS = ("frechet", "precision", "recall", "accuracy", "high_frequency", "high_frequency_off", "clipped")


def line(setting, frechet, extra_calls, spread=0.01, **more):
    """A line as lab.study.sample_settings writes it, its groups spread evenly."""
    apart = np.linspace(-spread, spread, GROUPS)
    figures = {m: [0.5, *(0.5 + apart)] for m in METRICS} | {"frechet": [frechet, *(frechet + apart)]}
    own = {"name": setting.name, **asdict(setting), "plain": setting.plain.name, "extra_calls": extra_calls}
    return json.loads(json.dumps(own | {"figures": figures} | more))


@pytest.fixture(scope="module")
def results():
    return collect([line(PLAIN, 1.3, 0), line(SAG, 1.2, 20)])


def shown_rows(results, question="decide"):
    """The cells of a table's rows, by the first."""
    lines = table(results, "wesnoth", question).splitlines()[2:]
    return {row.split(" | ")[0].removeprefix("| "): row.split(" | ")[1:] for row in lines if row.startswith("|")}


def test_a_row_shows_the_figure_its_interval_and_the_change_with_what_is_shared_gone(results):
    cells = shown_rows(results)["cfg 8, scale 0.5"]
    assert cells[:3] == ["60", "1.200 ± 0.055", "-0.100 ± 0.000"] and "50.0 ± 5.5" in cells


def test_a_sentence_shows_what_the_table_shows(results):
    assert figure(results, f"{SAG.name}: frechet") == figure(results, "wesnoth, the paper's SAG: frechet")
    assert render(f"It is {{{{{SAG.name}: frechet}}}}.", results).endswith("\nIt is 1.200 ± 0.055.")


def test_a_sentence_about_a_setting_that_was_not_sampled_is_refused(results):
    with pytest.raises(KeyError, match="no setting named fashion, cfg 3"):
        figure(results, "fashion, cfg 3: frechet")


def test_a_question_without_rows_says_so(results):
    assert table(results, "emoji", "choose") == "Not sampled yet."


def test_more_steps_are_held_against_the_usual_number():
    more = free_controls("wesnoth")["30 steps"]
    row = collect([line(PLAIN, 1.3, 0), line(more, 1.5, 0)]).set_index("name").loc[more.name]
    assert (row["against"], row["frechet_difference"]) == (PLAIN.name, pytest.approx(0.2))


def test_only_rows_at_the_planned_cfg_are_held_against_the_dose():
    other = Setting("wesnoth", 0.5, cfg=3.0)
    lines = planned_lines() + [line(other, 1.0, 20), line(other.plain, 1.1, 0)]
    row = collect(lines).set_index("name").loc[other.name]
    assert pd.isna(row["frechet_dose"]) and row["against"] == other.plain.name


def test_a_row_of_fewer_pictures_than_the_others_says_so():
    lines = [line(setting, 1.0, 0) for setting in deciding("fashion").values()]
    first = [row.split(" | ")[0] for row in table(collect(lines), "fashion", "decide").splitlines()]
    assert "| cfg 2, scale 0" in first and "| cfg 2, scale 0, 2,000 pictures" in first


def test_only_real_pictures_as_many_as_there_are_stand_in_the_table_of_what_the_distance_sees():
    lines = [
        {**line(SAG, 1.2, 20), "name": f"wesnoth, test pictures, {count} pictures", "count": count}
        for count in (400, 2000)
    ]
    assert [*shown_rows(collect(lines), "spoiled")] == ["test pictures"]


def planned_lines(dose_by_imagenet=-0.2, world="wesnoth"):
    """Lines of a world: the dose a little better than all others in the classifier's features, and so in ImageNet's."""
    plain, dose = planned(world)
    lines = [
        line(plain, 2.0, 0),
        line(dose, 1.7, 7),
        *(line(s, 1.9 + n / 100, 0) for n, s in enumerate(free_controls(world).values())),
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
    cells = shown_rows(collect(planned_lines()))["cfg 8, scale 0"]
    assert cells[1:7] == ["2.000 ± 0.055", "–", "-0.300 ± 0.000", "12.00 ± 0.06", "–", "-0.50 ± 0.00"]


def test_the_rule_s_table_names_the_best_free_control_of_each_pair_of_eyes():
    lines = [row for world in PLANNED_CFG for row in planned_lines(0.25, world)]
    rows = rule(collect(lines)).splitlines()
    assert rows[2] == "| wesnoth | classifier | -0.300 ± 0.000 | -0.200 ± 0.000 | unsharp mask 0.1 | yes |"
    assert rows[3] == "| wesnoth | ImageNet | -0.05 ± 0.00 | +0.05 ± 0.00 | unsharp mask 0.1 | no |"


def test_a_label_leaves_out_what_all_rows_share():
    assert label(SAG.name) == "cfg 8, scale 0.5"
    assert label(planned("wesnoth")[1].name) == "cfg 8, scale 0.5, steps 13 to 20, detail 0.5"


def test_the_text_is_what_the_csv_gives():
    assert TEXT.read_text() == render(TEMPLATE.read_text(), read(CSV))


def test_the_csv_keeps_every_digit_that_is_shown(results, tmp_path):
    results.to_csv(tmp_path / "r.csv", index=False, float_format="%.6g")
    assert shown_rows(read(tmp_path / "r.csv")) == shown_rows(results)
