"""Beside what is dragged stand its value and the percent at which the host's other nodes would begin or end."""

import pytest
from demo_graph import BASIC
from page_strip import Strip, tell

pytestmark = pytest.mark.browser
in_both_modes = pytest.mark.parametrize("mode", ["classic", "Nodes 2.0"])

PERCENT_AT = """async sigma =>
    (await import("/extensions/sag-delayed-activation/js/percent.js")).percentAt(sigma, null)"""


@pytest.fixture
def guide(comfy):
    """The strip of a SAG node that nothing is wired to, with a window in the middle."""
    comfy.build({"sag": (BASIC, (340, 160), {"sigma_start": 5, "sigma_end": 0.5})}, [])
    return Strip(comfy, "sag")


@in_both_modes
def test_the_value_stands_beside_what_is_dragged_and_goes_when_it_is_let_go(comfy, guide):
    assert guide.told() == []
    for knob in ("sigma_start", "sigma_end"):
        with guide.pulling(guide.knob(knob), 20):
            value, percent = guide.told()
            assert value == f"sigma {comfy.values_of('sag', knob)[0]:g}"
            assert percent.startswith("percent 0.") and percent.endswith(", a guess on SD's")
        assert guide.told() == []
    with guide.pulling(guide.shade(), 20):
        start, _, end, _ = guide.told()
        assert [start, end] == [f"sigma {value:g}" for value in comfy.values_of("sag", "sigma_start", "sigma_end")]
    assert guide.told() == []


@in_both_modes
def test_it_lies_within_the_strip(comfy, guide):
    for by in (-300, -40, 40, 300):
        with guide.pulling(guide.shade(), by):
            strip = guide.element().bounding_box()
            for text in guide.element().query_selector_all(".sag-told"):
                box = text.bounding_box()
                assert strip["x"] <= box["x"] and box["x"] + box["width"] <= strip["x"] + strip["width"]


def test_before_a_run_the_percent_is_what_comfyui_counts_on_sd(comfy):
    """These sigmas are what its ModelSamplingDiscrete with the betas of SD gives for the percents."""
    for percent, sigma in {0.1: 8.3072, 0.5: 1.6156, 0.9: 0.3437}.items():
        assert comfy.page.evaluate(PERCENT_AT, sigma) == f"percent {percent}, a guess on SD's"


def test_after_a_run_it_is_the_models_own_and_no_guess(comfy, guide):
    flow = [1 - share / 100 for share in range(101)]
    flow[100] = 0.001
    tell(comfy, [0.9, 0.6, 0.3], acted=[1], start=5, end=0.5, percents=flow)
    guide.waits_for("acted on 1 of 3")
    with guide.pulling(guide.knob("sigma_end"), 20):
        (sigma,) = comfy.values_of("sag", "sigma_end")
        percent = float(guide.told()[1].removeprefix("percent "))
        assert percent == pytest.approx(1 - sigma, abs=0.002)


def test_the_sigma_window_tells_steps_with_percents_and_percents_with_sigmas(comfy, find):
    comfy.set_value("window", "start", 5)
    with find.pulling(find.knob("start"), 46):
        assert find.told()[0] == "step 8" and find.told()[1].startswith("percent 0.3")
    comfy.set_value("window", "unit", "percent")
    comfy.set_value("window", "start", 0.4)
    with find.pulling(find.knob("start"), 20):
        (start,) = comfy.values_of("window", "start")
        assert find.told()[0] == f"percent {start:g}" and find.told()[1].startswith("sigma ")
