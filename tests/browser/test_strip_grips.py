"""The two grips of a strip where they are near to one another, and what they say to those who do not use the mouse."""

import pytest
from demo_graph import BASIC
from page_strip import Strip

pytestmark = pytest.mark.browser
in_both_modes = pytest.mark.parametrize("mode", ["classic", "Nodes 2.0"])
START, END = ENDS = "sigma_start", "sigma_end"
OUTLINE = "grip => getComputedStyle(grip).outlineStyle"


@pytest.fixture
def guide(comfy):
    """The strip of a SAG node that nothing is wired to."""
    comfy.build({"sag": (BASIC, (340, 160), {})}, [])
    return Strip(comfy, "sag")


def window(guide, *values):
    """Sets the two sigmas if there are any; what they are."""
    for name, value in zip(ENDS, values, strict=False):
        guide.comfy.set_value("sag", name, value)
    return guide.comfy.values_of("sag", *ENDS)


@in_both_modes
def test_a_start_that_was_dragged_onto_the_end_is_dragged_away_again(comfy, guide):
    window(guide, 5, 1)
    guide.drag(START, lambda: guide.tick("0.5"))
    assert window(guide) == [1, 1]
    guide.pull(guide.knob(START), -60)
    start, end = window(guide)
    assert start > 1.5 and end == 1


@in_both_modes
@pytest.mark.parametrize("knob", ENDS)
@pytest.mark.parametrize("sigma, by", [(2, -60), (2, 60), (1000, 60), (0, -60)])
def test_grips_that_meet_part_whichever_is_taken_and_wherever_the_mouse_goes(comfy, guide, knob, sigma, by):
    """Anywhere, and at both borders: to the left goes the start, to the right the end."""
    window(guide, sigma, sigma)
    guide.pull(guide.knob(knob), by)
    start, end = window(guide)
    assert (end == sigma and start > sigma + 0.02) if by < 0 else (start == sigma and end < sigma - 0.2)


@in_both_modes
@pytest.mark.parametrize("low", [1.9, 1.7])  # 3 and 10 pixels away
def test_of_a_window_narrower_than_a_grip_the_upper_grip_is_the_starts_and_the_lower_the_ends(comfy, guide, low):
    window(guide, 2, low)
    assert guide.knob(START)[1] < guide.knob(END)[1] and guide.knob(END)[0] - guide.knob(START)[0] < 18
    guide.pull(guide.knob(START), -40)
    start, end = window(guide)
    assert start > 2.4 and end == low
    window(guide, 2, low)
    guide.pull(guide.knob(END), 40)
    start, end = window(guide)
    assert start == 2 and end < low - 0.3


def test_a_narrow_window_can_be_made_narrower_and_wide_ones_stop_where_they_meet(comfy, guide):
    window(guide, 2, 1.7)
    guide.pull(guide.knob(START), 5)
    start, end = window(guide)
    assert 1.7 < start < 2 and end == 1.7
    window(guide, 5, 2)
    guide.pull(guide.knob(END), -200)
    assert window(guide) == [5, 5]


def test_a_window_of_one_step_is_opened_to_either_side(comfy, find):
    for by, values in [(-45, [5, 9]), (45, [8, 12])]:
        comfy.set_value("window", "start", 8)
        comfy.set_value("window", "end", 9)
        for knob in ("start", "end"):
            find.pull(find.knob(knob), by)
            assert comfy.values_of("window", "start", "end") == values
            comfy.set_value("window", "start", 8)
            comfy.set_value("window", "end", 9)


@in_both_modes
def test_only_one_who_uses_keys_gets_a_ring_around_the_grip(comfy, guide):
    guide.drag(START, lambda: guide.tick("5"))
    comfy.drawn()
    assert guide.grip(START).evaluate(OUTLINE) == "none"
    guide.grip(START).focus()
    comfy.page.keyboard.press("ArrowRight")
    comfy.page.keyboard.press("Tab")
    assert guide.grip(END).evaluate(f"grip => document.activeElement === grip && ({OUTLINE})(grip)") != "none"
    comfy.page.keyboard.press("Shift+Tab")
    assert guide.grip(START).evaluate(OUTLINE) != "none"


def test_an_end_at_0_is_announced_as_to_the_end_and_a_start_at_0_is_not(comfy, guide):
    window(guide, 0, 0)
    assert [guide.grip(end).get_attribute("aria-valuetext") for end in ENDS] == ["sigma 0", "to the end"]
