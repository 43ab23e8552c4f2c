"""The whole window is moved by its shade, reset by a double click, and tells its values meanwhile."""

import pytest
from demo_graph import ADVANCED, BASIC, sampled
from page_strip import Strip, tell

pytestmark = pytest.mark.browser
in_both_modes = pytest.mark.parametrize("mode", ["classic", "Nodes 2.0"])
ENDS = "sigma_start", "sigma_end"
REACTS = "shade => getComputedStyle(shade).pointerEvents !== 'none'"


@pytest.fixture
def guide(comfy):
    """The strip of a SAG node that nothing is wired to, with a window in the middle."""
    comfy.build({"sag": (BASIC, (340, 160), {"sigma_start": 5, "sigma_end": 0.5})}, [])
    return Strip(comfy, "sag")


def takes_drags(strip):
    return strip.element().query_selector("svg > rect").evaluate(REACTS)


def places(strip):
    """Of the two grips in the page."""
    return [x for x, _ in strip.middles("[role=slider]")]


@in_both_modes
@pytest.mark.parametrize("zoom", [1, 0.5])
def test_the_shade_moves_the_window_by_its_width_and_the_node_stays(comfy, guide, zoom):
    comfy.zoom(zoom)
    before, (left, right) = comfy.area(guide.id), places(guide)
    guide.pull(guide.shade(), 30 * zoom)
    assert places(guide) == pytest.approx([left + 30 * zoom, right + 30 * zoom], abs=2)
    start, end = comfy.values_of("sag", *ENDS)
    assert start < 4.5 and end < 0.4 and [start, end] == [round(start, 2), round(end, 2)]
    assert comfy.area(guide.id) == before


@in_both_modes
def test_the_window_keeps_its_width_at_the_borders(comfy, guide):
    (left, right), middle = places(guide), guide.shade()
    with guide.pulling(middle, 400):
        assert comfy.values_of("sag", "sigma_end") == [0]
        low, high = places(guide)
        assert high - low == pytest.approx(right - left, abs=2)
        comfy.page.mouse.move(middle[0] - 400, middle[1], steps=4)
        comfy.drawn()
        low, high = places(guide)
        assert high - low == pytest.approx(right - left, abs=2) and low < left - 40
        assert comfy.values_of("sag", "sigma_start")[0] > 14.6


@in_both_modes
@pytest.mark.parametrize("unit, width", [("step", 7), ("percent", 0.3)])
def test_the_shade_of_the_sigma_window_moves_it_by_steps_or_hundredths(comfy, find, unit, width):
    for name, value in {"unit": unit, "start": width, "end": 2 * width}.items():
        comfy.set_value("window", name, value)
    left, right = places(find)
    find.pull(find.shade(), 46)
    start, end = comfy.values_of("window", "start", "end")
    assert start > width and [start, end] == [round(start, 2), round(end, 2)]
    assert unit == "percent" or [start, end] == [10, 17]
    assert places(find) == pytest.approx([left + 46, right + 46], abs=3)
    find.pull(find.shade(), 300)
    assert comfy.values_of("window", "end") == [10000 if unit == "step" else 1]


def test_it_is_one_step_of_undo(comfy, guide):
    comfy.wait("willUndoTo", guide.id)
    guide.pull(guide.shade(), 40)
    guide.pull(guide.shade(), 20)
    comfy.ask("undo")
    comfy.ask("undo")
    assert comfy.values_of("sag", *ENDS) == [5, 0.5]


def test_a_full_window_and_one_with_an_end_wired_in_or_given_by_a_preset_take_no_drag(comfy, guide):
    assert takes_drags(guide)
    for name, value in zip(ENDS, (1000, 0), strict=True):
        comfy.set_value("sag", name, value)
    assert not takes_drags(guide)
    comfy.set_value("sag", "sigma_end", 0.5)
    assert takes_drags(guide)
    comfy.add({"number": ("PrimitiveFloat", (50, 540), {"value": 0.5})}, ["number.FLOAT > sag.sigma_end"])
    tell(comfy, [14.6, 4.1, 1.6, 0.7], acted=[1, 2], end=0.5)
    guide.waits_for("4 evaluations lie inside")
    assert not takes_drags(guide)


def test_the_window_of_a_preset_takes_no_drag(comfy, find):
    comfy.set_value("window", "preset", "last third")
    find.waits_for("steps 13 to 19")
    assert not takes_drags(find)


@in_both_modes
def test_a_grip_goes_before_the_shade(comfy, guide):
    x, y = guide.knob("sigma_start")
    guide.pull((x + 6, y + 30), 30)
    start, end = comfy.values_of("sag", *ENDS)
    assert start < 4.5 and end == 0.5


@in_both_modes
@pytest.mark.parametrize("where", ["shade", "grip"])
def test_a_double_click_resets_both_to_the_defaults_in_one_step_of_undo(comfy, guide, where):
    comfy.wait("willUndoTo", guide.id)
    comfy.double_click(*(guide.shade() if where == "shade" else guide.knob("sigma_end")))
    comfy.page.wait_for_function("id => inPage.values(id).sigma_start === 15", arg=guide.id)
    assert comfy.values_of("sag", *ENDS) == [15, 0]
    comfy.ask("undo")
    assert comfy.values_of("sag", *ENDS) == [5, 0.5]


def test_a_double_click_resets_the_sigma_window_too_and_leaves_a_preset_alone(comfy, find):
    values = {"start": 8, "end": 15}
    for name, value in values.items():
        comfy.set_value("window", name, value)
    comfy.set_value("window", "preset", "late")
    comfy.double_click(*find.shade())
    comfy.drawn()
    assert comfy.values_of("window", *values) == [8, 15]
    comfy.set_value("window", "preset", "custom")
    comfy.double_click(*find.shade())
    comfy.drawn()
    assert comfy.values_of("window", *values) == [0, 10000]


@in_both_modes
def test_shift_snaps_to_the_steps_that_are_drawn(comfy, guide):
    tell(comfy, FOUR := [14.6, 4.1, 1.6, 0.7], acted=[1, 2], start=5, end=0.5)
    guide.waits_for("acted on 2 of 4")
    comfy.page.keyboard.down("Shift")
    guide.drag("sigma_start", lambda: guide.between_steps(2) + 8)
    assert comfy.values_of("sag", "sigma_start") == [round((FOUR[1] * FOUR[2]) ** 0.5, 2)]
    guide.drag("sigma_end", lambda: guide.between_steps(3) - 8)
    comfy.page.keyboard.up("Shift")
    assert comfy.values_of("sag", "sigma_end") == [round((FOUR[2] * FOUR[3]) ** 0.5, 2)]
    guide.waits_for("1 of the last run's 4 evaluations lie inside")


def test_a_right_click_moves_nothing_and_is_the_pages(comfy, guide):
    asked = """id => new Promise(done => addEventListener("contextmenu", event => {
        const was = event.defaultPrevented;
        event.preventDefault();
        done(was);
    }))"""
    comfy.page.evaluate(f"id => {{ window.asked = ({asked})(id) }}", guide.id)
    x, y = guide.shade()
    comfy.page.mouse.move(x, y)
    comfy.page.mouse.down(button="right")
    comfy.page.mouse.move(x + 30, y)
    comfy.page.mouse.up(button="right")
    comfy.drawn()
    assert comfy.values_of("sag", *ENDS) == [5, 0.5]
    assert comfy.page.evaluate("window.asked") is False


@in_both_modes
def test_the_advanced_nodes_shade_moves_too(comfy):
    comfy.build(*sampled(ADVANCED, sigma_start=5, sigma_end=0.5))
    strip = Strip(comfy, "sag")
    strip.pull(strip.shade(), 40)
    start, end = comfy.values_of("sag", *ENDS)
    assert start < 4.5 and end < 0.45
