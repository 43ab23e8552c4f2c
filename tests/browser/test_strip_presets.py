"""The small menu in the strip of a SAG node types the two sigmas."""

import json

import pytest
from demo_graph import ADVANCED, BASIC, sampled
from page_strip import Strip, tell

pytestmark = pytest.mark.browser
in_both_modes = pytest.mark.parametrize("mode", ["classic", "Nodes 2.0"])
ENDS = "sigma_start", "sigma_end"
SIX = [14.6, 7.0, 4.1, 1.6, 0.7, 0.3]
LIT = {"all steps": [0, 1, 2, 3, 4, 5], "first third of the steps": [0, 1], "middle third of the steps": [2, 3],
       "last third of the steps": [4, 5], "interval 0.28 to 5.42": [2, 3, 4, 5]}  # fmt: skip


def is_open(strip):
    return strip.element().query_selector("[role=menu]").is_visible()


@in_both_modes
@pytest.mark.parametrize("kind", [BASIC, ADVANCED])
def test_each_preset_types_two_sigmas_that_hold_just_its_steps_of_the_last_run(comfy, kind):
    comfy.build(*sampled(kind))
    strip = Strip(comfy, "sag")
    tell(comfy, SIX, acted=[0, 1, 2, 3, 4, 5])
    strip.waits_for("acted on 6 of 6")
    for text, lit in LIT.items():
        strip.choose(text)
        start, end = comfy.values_of("sag", *ENDS)
        assert [place for place, sigma in enumerate(SIX) if end <= sigma <= start] == lit
        assert [start, end] == [round(start, 2), round(end, 2)] and not is_open(strip)
    assert (start, end) == (5.42, 0.28)
    strip.choose("all steps")
    assert comfy.values_of("sag", *ENDS) == [1000, 0]


@in_both_modes
def test_before_a_run_the_thirds_are_those_of_the_guess(comfy, guide):
    comfy.set_value("sampler", "steps", 20)
    for part, number in [("first", 7), ("middle", 6), ("last", 7)]:
        guide.choose(f"{part} third of the steps")
        guide.waits_for(f"{number} of 20 steps inside")


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 5])
def test_of_few_steps_every_third_holds_one(comfy, guide, steps):
    comfy.set_value("sampler", "steps", steps)
    for part in ("first", "middle", "last"):
        guide.choose(f"{part} third of the steps")
        assert guide.counts("lit")[0] >= 1


@in_both_modes
def test_close_sigmas_get_as_many_decimals_as_keep_them_apart(comfy, guide):
    tell(comfy, [0.004, 0.003, 0.002], acted=[0, 1, 2])
    guide.waits_for("acted on 3 of 3")
    guide.choose("middle third of the steps")
    assert guide.line() == "1 of the last run's 3 evaluations lie inside"


@in_both_modes
def test_the_menu_is_worked_by_keys_too_and_closes_by_itself(comfy, guide):
    guide.element().query_selector("[aria-haspopup=menu]").focus()
    comfy.page.keyboard.press("Enter")
    assert is_open(guide)
    comfy.page.keyboard.press("Escape")
    assert not is_open(guide)
    guide.element().query_selector("[aria-haspopup=menu]").click()
    for key in ("ArrowUp", "Enter"):  # from the first to the last
        comfy.page.keyboard.press(key)
    assert comfy.values_of("sag", *ENDS) == [5.42, 0.28]
    guide.element().query_selector("[aria-haspopup=menu]").click()
    comfy.page.mouse.click(200, 900)
    comfy.drawn()
    assert not is_open(guide)


def test_a_choice_is_one_step_of_undo_and_saved_as_values_alone(comfy, guide):
    comfy.wait("willUndoTo", guide.id)
    guide.choose("interval 0.28 to 5.42")
    (saved,) = (node for node in json.loads(comfy.ask("nodes")) if node["type"] == BASIC)
    assert saved["widgets_values"] == [0.5, 2, 5.42, 0.28]
    comfy.ask("undo")
    assert comfy.values_of("sag", *ENDS) == [15, 0]


def test_there_is_none_where_an_end_is_wired_in_nor_on_the_sigma_window(comfy, guide, find):
    assert not find.element().query_selector("[aria-haspopup=menu]").is_visible()
    comfy.build(*sampled())
    assert guide.element().query_selector("[aria-haspopup=menu]").is_visible()
    comfy.add({"number": ("PrimitiveFloat", (50, 540), {})}, ["number.FLOAT > sag.sigma_end"])
    guide.waits_for("wired in")
    assert not guide.element().query_selector("[aria-haspopup=menu]").is_visible()
