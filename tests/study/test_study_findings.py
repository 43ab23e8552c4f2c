"""What the study's text says in words is so in its CSV, and others quote only what stands there."""

import re

import pytest

from lab.study.questions import PLANNED_CFG, deciding
from lab.study.report import CSV, ROOT, TEXT
from lab.study.tables import EYES, below, decisive, passes, read

ALL = read(CSV)
ROWS = ALL.set_index("name", drop=False)
QUOTING = ("web/docs/SAG delayed activation.md", "web/docs/SAG delayed activation (advanced).md")


def row(world, called):
    return ROWS.loc[deciding(world)[called].name]


def falls(world, called, eye="frechet"):
    """The whole interval of what it changes lies below 0."""
    return row(world, called)[f"{eye}_difference_high"] < 0


def rises(world, called, eye="frechet"):
    return row(world, called)[f"{eye}_difference_low"] > 0


def change(world, called, eye="frechet"):
    return row(world, called)[f"{eye}_difference"]


def test_the_dose_does_not_pass_and_so_detail_is_0_by_default():
    from sag_delayed_activation.sampling.settings import Settings

    assert not passes(ALL, "wesnoth") and Settings.detail == 0
    assert falls("wesnoth", "the dose") and rises("wesnoth", "the dose", EYES[1])


@pytest.mark.parametrize("world", ["fashion", "emoji"])
def test_on_the_worlds_it_was_chosen_on_it_helps_by_both_eyes_and_an_unsharp_mask_more_by_the_classifier_s(world):
    assert all(falls(world, "the dose", eye) for eye in EYES)
    dose, best = decisive(ALL, world)["frechet"]
    assert "unsharp" in best["name"] and best["frechet_dose_low"] > 0 and not below("frechet", dose, best)


def test_30_plain_steps_are_as_good_on_emoji_by_imagenet_and_harm_nowhere():
    steps = row("emoji", "30 steps")
    assert steps["frechet_imagenet_dose_low"] < 0 < steps["frechet_imagenet_dose_high"]
    assert not any(rises(world, "30 steps", eye) for world in PLANNED_CFG for eye in EYES)


def test_the_paper_s_sag_harms_garments_by_both_eyes_and_helps_the_coloured_worlds_by_imagenet_s():
    paper = "the paper's SAG"
    assert all(rises("fashion", paper, eye) for eye in EYES) and rises("emoji", paper)
    assert falls("wesnoth", paper, EYES[1]) and falls("emoji", paper, EYES[1]) and not rises("wesnoth", paper)
    assert row("wesnoth", paper)["high_frequency_off_high"] < row("wesnoth", "no guidance")["high_frequency_off_low"]


def test_it_is_not_attention_that_helps():
    assert row("wesnoth", "inverse mask")["frechet_dose_low"] > 0
    random = row("wesnoth", "random mask")
    assert random["frechet_dose_low"] < 0 < random["frechet_dose_high"]
    for eye in EYES:
        masks = ("the dose, fewer", "random mask", "inverse mask", "no mask")
        assert min(masks, key=lambda mask: change("emoji", mask, eye)) == "no mask"
    assert not falls("fashion", "inverse mask", EYES[1]) and rises("fashion", "no mask", EYES[1])
    assert falls("fashion", "random mask", EYES[1])


@pytest.mark.parametrize("world", PLANNED_CFG)
def test_the_last_2_steps_carry_nearly_all_of_it_and_the_first_thirds_next_to_nothing(world):
    assert change(world, "last 2 steps") < 0.9 * change(world, "the dose")
    assert all(change(world, third) > 0.15 * change(world, "the dose") for third in ("first 7 steps", "middle 7 steps"))


def test_high_frequencies_end_farther_off_on_wesnoth_and_nearer_on_garments():
    off = "high_frequency_off_difference"
    assert row("wesnoth", "the dose")[f"{off}_low"] > 0 > row("fashion", "the dose")[f"{off}_high"]


def test_with_the_haze_put_aside_little_is_left_on_garments_and_most_on_wesnoth():
    settled = "frechet_settled_difference"
    assert row("fashion", "the dose")[f"{settled}_low"] < 0 < row("fashion", "the dose")[f"{settled}_high"]
    assert row("wesnoth", "the dose")[settled] < 0.9 * change("wesnoth", "the dose")


def test_pag_did_nothing_but_on_emoji():
    assert all(abs(change(world, "PAG")) < 0.2 * abs(change(world, "the dose")) for world in ("wesnoth", "fashion"))
    assert row("emoji", "PAG")["frechet_dose_low"] < 0 < row("emoji", "PAG")["frechet_dose_high"]
    assert row("emoji", "PAG")["frechet_imagenet_dose_high"] < 0


def test_recall_on_wesnoth_says_nothing():
    dose = row("wesnoth", "the dose")
    assert dose["recall_difference_low"] < 0 < dose["recall_difference_high"]


def test_cfg_8_alone_is_better_than_any_guidance_at_cfg_3():
    own = ROWS[(ROWS["world"] == "wesnoth") & (ROWS["cfg"] == 3)]
    plain = row("wesnoth", "no guidance")
    assert len(own) > 10 and all((own[eye] > plain[eye]).all() for eye in EYES)


def test_imagenet_minds_noise_more_than_blur_and_wesnoth_s_classifier_blur_more():
    for world, count in (("wesnoth", 648), ("fashion", 10000), ("emoji", 591)):
        kinds = ("noise 0.05", "blur 0.5")
        noise, blur = (ROWS.loc[f"{world}, test pictures with {kind}, {count} pictures"] for kind in kinds)
        assert noise["frechet_imagenet"] > blur["frechet_imagenet"]
        assert (noise["frechet"] < blur["frechet"]) == (world != "fashion")


@pytest.mark.parametrize("file", QUOTING)
def test_who_quotes_the_study_quotes_what_stands_there(file):
    quoted = re.findall(r"[+-]?\d[\d.]* ± [\d.]*\d", (ROOT / file).read_text(encoding="utf-8"))
    assert quoted and all(figure in TEXT.read_text(encoding="utf-8") for figure in quoted)
