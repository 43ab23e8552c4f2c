"""What is said of the DiTs in words is so in their CSV, and the plan is kept."""

import pytest

from lab.study.dit.found import WORLDS, Found
from lab.study.dit.questions import BLOCKS, GUESS, blocks, rows_that_decide
from lab.study.dit.report import TEMPLATE, TEXT, render
from lab.study.questions import LATE
from lab.study.report import DIT_CSV
from lab.study.tables import EYES, read

FOUND = Found(read(DIT_CSV))


def change(world, called, eye="frechet", end=""):
    return FOUND.row(world, called)[f"{eye}_difference{end}"]


def test_the_text_is_what_its_template_makes_of_the_csv():
    assert TEXT.read_text() == render(TEMPLATE.read_text(), FOUND)


def test_the_dose_passes_by_the_classifier_and_not_by_imagenet_where_more_steps_do_as_well():
    assert [FOUND.passes("wesnoth", eye) for eye in EYES] == [True, False]
    assert all(change("wesnoth", "the dose", eye, "_high") < 0 for eye in EYES)
    steps = FOUND.best_control("wesnoth", EYES[1])
    assert steps["steps"] == 30 and steps["frechet_imagenet_dose_low"] < 0 < steps["frechet_imagenet_dose_high"]


def test_the_dose_is_the_one_that_the_text_names():
    dose = FOUND.deciding["wesnoth"]["the dose"]
    assert (dose.scale, dose.detail, dose.active) == (0.25, 0.5, LATE) and dose.block != GUESS


@pytest.mark.parametrize("world", WORLDS)
def test_every_row_of_the_plan_was_sampled_with_as_many_pictures(world):
    rows = FOUND.rows.loc[[setting.name for setting in rows_that_decide(world, FOUND.distances)]]
    assert (rows["count"] == 2000).all() and rows["frechet_imagenet"].notna().all()


def test_the_model_does_not_know_its_data_by_heart():
    assert FOUND.row("wesnoth", "no guidance")["copied"] == 0


def test_the_paper_s_sag_harms_but_for_imagenet_s_eyes_on_wesnoth_where_nothing_gains_more():
    paper = "the paper's SAG"
    assert (
        all(change("fashion", paper, eye, "_low") > 0 for eye in EYES)
        and change("wesnoth", paper, "frechet", "_low") > 0
    )
    others = (
        change("wesnoth", called, EYES[1])
        for called in FOUND.deciding["wesnoth"]
        if called not in (paper, "no guidance")
    )
    assert change("wesnoth", paper, EYES[1]) < min(others)


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("eye", EYES)
def test_without_a_mask_the_dose_is_worse(world, eye):
    assert FOUND.row(world, "no mask")[f"{eye}_dose_high"] < 0


def test_blocks_differ_by_more_than_their_intervals():
    first, *_, last = sorted(
        (FOUND.rows.loc[s.name] for s in blocks(FOUND.distances)[BLOCKS:]), key=lambda row: row["frechet"]
    )
    assert first["frechet_difference_high"] < last["frechet_difference_low"]


def test_skip_layer_guidance_gains_more_on_garments_and_wrecks_wesnoth_by_imagenet():
    half = "SkipLayerGuidanceDiT, half"
    assert FOUND.row("fashion", half)["frechet_imagenet_dose_low"] > 0
    assert change("wesnoth", half, EYES[1], "_low") > 20
