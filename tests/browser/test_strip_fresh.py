"""What the strip of a SAG node says before any run: a guess, how it is used, and what the node would refuse."""

import pytest
from demo_graph import BASIC
from page_strip import Strip, tell

from sag_delayed_activation.nodes import RANGES, values_error

pytestmark = pytest.mark.browser
in_both_modes = pytest.mark.parametrize("mode", ["classic", "Nodes 2.0"])


@pytest.fixture
def alone(comfy):
    """The strip of a SAG node that nothing is wired to."""
    comfy.build({"sag": (BASIC, (340, 160), {})}, [])
    return Strip(comfy, "sag")


@in_both_modes
def test_a_fresh_node_shows_a_guess_of_what_it_will_act_on(comfy, alone):
    assert alone.line() == "a guess until it has run: 20 of 20 steps inside, sigma 15 to 0"
    assert alone.counts("lit", "idle") == [20, 0]
    comfy.set_value("sag", "sigma_start", 5.42)
    comfy.set_value("sag", "sigma_end", 0.28)
    alone.waits_for("14 of 20 steps inside, sigma 5.42 to 0.28")
    assert alone.counts("lit", "idle") == [14, 6]


@in_both_modes
def test_the_guess_is_of_the_sampler_that_the_model_goes_to_through_other_nodes(comfy, guide):
    comfy.add({"more": (BASIC, (340, 560), {})}, ["sag.MODEL > more.model", "more.MODEL > sampler.model"])
    guide.waits_for("4 of 4 steps inside")
    assert guide.counts("lit") == [4]
    curve = guide.middles(".sag-lit")
    for name, value in {"steps": 9, "scheduler": "karras"}.items():
        comfy.set_value("sampler", name, value)
    guide.waits_for("9 of 9 steps inside")
    assert guide.middles(".sag-lit")[:4] != curve
    comfy.set_value("sampler", "denoise", 0)
    guide.waits_for("9 of 9 steps inside")


@in_both_modes
@pytest.mark.parametrize("inside", [["sag"], ["sampler"], ["sampler", "sag"]], ids=" ".join)
def test_the_sampler_is_found_across_the_border_of_a_subgraph(comfy, guide, inside):
    """Each in one of its own."""
    for name in inside:
        comfy.ask("leaveSubgraph")
        comfy.ask("intoSubgraph", comfy.ids[name])
    if "sag" not in inside:
        comfy.ask("leaveSubgraph")
    line = comfy.page.locator(".sag-strip span").filter(visible=True)
    comfy.drawn()
    assert line.inner_text() == "a guess until it has run: 4 of 4 steps inside, sigma 15 to 0"


def test_where_one_end_is_wired_in_the_curve_is_there_and_no_step_is_lit(comfy, guide):
    comfy.add({"number": ("PrimitiveFloat", (50, 540), {})}, ["number.FLOAT > sag.sigma_end"])
    guide.waits_for("wired in: its steps show after a run")
    assert guide.counts("lit", "idle") == [0, 4]


@in_both_modes
def test_the_axis_says_sigma_before_and_after_a_run(comfy, alone):
    """In the order of the curve, and so far apart that they can be read."""
    alone.element()
    assert comfy.ask("texts", alone.id) == ["sigma 10", "5", "2", "1", "0.5", "0.2"]
    tell(comfy, [1.0, 0.9, 0.6, 0.3], acted=[0, 1, 2, 3])  # of a flow model
    alone.waits_for("acted on 4 of 4")
    assert comfy.ask("texts", alone.id) == ["sigma 1", "0.5"]


def test_a_tooltip_on_strip_and_grips_says_how_to_drag_move_and_reset(comfy, alone):
    told = "el => el.closest('[title]').title"
    for selector in ("svg", "[role=slider]", "svg > rect"):
        how = alone.element().query_selector(selector).evaluate(told)
        assert all(word in how for word in ("grip", "one end", "shade", "both", "Shift", "Double-click", "arrows"))


@in_both_modes
@pytest.mark.parametrize("start, end", [(2, 5), (0.5, 1000), (0, 0.01)])
def test_a_start_below_the_end_is_red_before_any_run_in_the_nodes_own_words(comfy, alone, start, end):
    fine, *_ = comfy.ask("luminances", alone.id)
    comfy.set_value("sag", "sigma_start", start)
    comfy.set_value("sag", "sigma_end", end)
    said = values_error({"sigma_start": float(start), "sigma_end": float(end)}, RANGES)
    alone.waits_for(said.removeprefix("SAG delayed activation: "))
    text, warning, _ = comfy.ask("luminances", alone.id)
    assert warning != text == fine and alone.counts("lit") == [0]
    alone.pull(alone.knob("sigma_end"), 250)
    alone.waits_for("a guess until it has run")
    assert comfy.ask("luminances", alone.id)[1] == text


def test_it_is_so_after_a_run_too(comfy, guide):
    tell(comfy, [14.6, 4.1, 1.6, 0.7], acted=[1, 2])
    comfy.set_value("sag", "sigma_start", 1)
    comfy.set_value("sag", "sigma_end", 3)
    guide.waits_for("sigma_start must not be below sigma_end, got sigma_start=1.0, sigma_end=3.0")
