"""What the study makes of its lines: rows, what each changes, and the rule."""

import json
from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest

from lab.study.metrics import GROUPS
from lab.study.questions import LATE, Setting
from lab.study.report import EYES, below, collect, shown

PLAIN = Setting("wesnoth", cfg=8.0)
DOSE = replace(PLAIN, scale=2.0, form="seg 3", active=LATE)
STEPS, HIGHER = replace(PLAIN, steps=30), replace(PLAIN, cfg=10.0)
CONTROLS = [STEPS.name, HIGHER.name]


def line(setting, frechet, extra_calls=0, spread=0.01):
    """A line as lab.study.sample_settings writes it, its groups spread evenly."""
    apart = np.linspace(-spread, spread, GROUPS)
    figures = {"recall": [0.5, *(0.5 + apart)], "high_frequency_off": [0.001, *(0.001 + apart)]}
    figures |= {"frechet": [frechet, *(frechet + apart)], "frechet_imagenet": [frechet + 10, *(frechet + 10 + apart)]}
    own = {"name": setting.name, **asdict(setting), "plain": setting.plain.name, "extra_calls": extra_calls}
    return json.loads(json.dumps(own | {"figures": figures}))


def planned(dose_by_imagenet=0.0):
    """The dose is a little better than all others in the classifier's features, and so or not in ImageNet's."""
    lines = [line(PLAIN, 2.0), line(DOSE, 1.7, 7), line(STEPS, 1.9), line(HIGHER, 1.95)]
    lines[1]["figures"]["frechet_imagenet"] = [f + dose_by_imagenet for f in lines[1]["figures"]["frechet_imagenet"]]
    return lines


def rows(lines, *doses):
    return collect(lines, doses).set_index("name", drop=False)


def passes(lines):
    found = rows(lines, DOSE.name)
    return [below(found, DOSE.name, CONTROLS, eye) for eye in EYES]


def test_a_figure_stands_with_its_interval_and_a_change_with_what_is_shared_gone():
    dose = rows(planned()).loc[DOSE.name]
    assert shown(dose, "frechet") == "1.700 ± 0.055" and shown(dose, "frechet_difference") == "-0.300 ± 0.000"
    assert shown(dose, "frechet_imagenet") == "11.70 ± 0.06" and shown(dose, "recall_difference") == "+0.0 ± 0.0"
    assert shown(dose, "recall") == "50.0 ± 5.5" and shown(dose, "high_frequency_off") == "1.00 ± 55.38"


def test_more_steps_are_held_against_the_usual_number():
    more = rows(planned()).loc[STEPS.name]
    assert (more["against"], more["frechet_difference"]) == (PLAIN.name, pytest.approx(-0.1))


def test_a_dose_is_held_against_every_row_of_its_world_sampler_and_number_of_pictures():
    others = [replace(PLAIN, sampler="dpmpp_2m"), replace(PLAIN, count=500), Setting("fashion")]
    found = rows([*planned(), *(line(other, 1.0) for other in others)], DOSE.name)
    assert found.loc[HIGHER.name, "frechet_dose"] == pytest.approx(-0.25)
    assert found.loc[[other.name for other in others], "frechet_dose"].isna().all()


def test_the_dose_passes_where_it_is_better_than_all_in_both_spaces():
    assert passes(planned()) == [True, True]


def test_it_does_not_pass_where_one_space_puts_a_free_control_before_it():
    assert passes(planned(dose_by_imagenet=0.25)) == [True, False]


def test_it_does_not_pass_where_the_interval_reaches_0():
    lines = planned()
    lines[1]["figures"]["frechet"] = [1.7, *np.linspace(1.0, 2.4, GROUPS)]
    assert passes(lines) == [False, True]


def test_the_csv_keeps_every_digit_that_is_shown(tmp_path):
    found = rows(planned(), DOSE.name)
    found.to_csv(tmp_path / "r.csv", index=False, float_format="%.6g")
    again = pd.read_csv(tmp_path / "r.csv").set_index("name", drop=False)
    for metric in ("frechet", "frechet_imagenet_difference", "frechet_dose", "recall"):
        assert shown(again.loc[DOSE.name], metric) == shown(found.loc[DOSE.name], metric)
