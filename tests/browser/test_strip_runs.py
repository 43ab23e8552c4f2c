"""What the strip of a SAG node shows of its last run."""

import pytest
from demo_graph import BASIC, sampled, window
from page_strip import Strip, tell

pytestmark = [pytest.mark.browser, pytest.mark.own_page]
in_both_modes = pytest.mark.parametrize("mode", ["classic", "Nodes 2.0"])
FOUR = [14.6, 4.1, 1.6, 0.7]


@in_both_modes
def test_a_sag_node_shows_the_steps_of_its_last_run(comfy, guide):
    tell(comfy, FOUR, acted=[1, 2], skipped=[3])
    guide.waits_for("acted on 2 of 4: sigma 4.1 to 1.6, 1 skipped")
    assert guide.counts("lit", "skipped", "inside", "idle") == [2, 1, 1, 0]
    guide.drag("sigma_start", lambda: guide.between_steps(2))
    assert 1.6 < comfy.values_of("sag", "sigma_start")[0] < 4.1
    assert guide.line() == "2 of the last run's 4 evaluations lie inside"
    guide.key("sigma_start", "ArrowLeft")
    assert 4.1 < comfy.values_of("sag", "sigma_start")[0] < 14.6


@in_both_modes
@pytest.mark.parametrize("start", [15, 0.01])
def test_after_a_run_the_node_says_what_it_did_and_saves_none_of_it(comfy, mode, start):
    scale = {"classic": 0.31, "Nodes 2.0": 0.32}[mode]  # or the host would take the MODEL of another test's node
    comfy.build(*sampled(steps=4, scale=scale, sigma_start=start))
    comfy.run()
    Strip(comfy, "sag").waits_for("acted on 4 of 4: sigma 14.6 to" if start == 15 else "acted on 0 of 4 model eval")
    (node,) = (node for node in comfy.nodes() if node["type"] == BASIC)
    assert node["widgets_values"] == [scale, 2, start, 0]


def test_evaluations_at_one_sigma_are_one_step(comfy, guide):
    """As Heun's method makes them."""
    tell(comfy, [14.6, 4.1, 4.1, 1.6, 1.6, 0.0], acted=[1, 2], start=5.0, end=4.0)
    comfy.set_value("sag", "sigma_start", 5)
    comfy.set_value("sag", "sigma_end", 4)
    guide.waits_for("acted on 2 of 6: sigma 4.1 to 4.1")
    assert guide.counts("lit", "idle") == [1, 2]


def test_what_is_wired_in_is_shown_and_not_dragged(comfy, guide):
    comfy.add(*window(steps=4, start=1, end=3))
    guide.waits_for("wired in: its steps show after a run")
    tell(comfy, FOUR, acted=[1, 2], start=5.0, end=1.0)
    guide.waits_for("acted on 2 of 4: sigma 4.1 to 1.6")
    assert not guide.can_be_dragged()
    assert guide.counts("lit") == [2]


def test_a_run_of_a_node_in_a_subgraph_is_shown_there(comfy, guide):
    outer, inner = comfy.ask("intoSubgraph", guide.id)
    comfy.ids["sag"] = f"{outer}:{inner}"
    tell(comfy, FOUR, acted=[0, 1, 2, 3])
    comfy.page.locator(".sag-strip span").get_by_text("acted on 4 of 4").wait_for()


@in_both_modes
@pytest.mark.parametrize("palette", ["dark", "light"])
def test_a_run_in_which_it_never_acted_warns_and_line_and_warning_can_be_read_in_both_themes(comfy, guide, palette):
    """By the contrast that WCAG asks of a text."""
    tell(comfy, FOUR, acted=[], skipped=[0, 1, 2, 3])
    guide.waits_for("acted on 0 of 4 model evaluations; skipped 4 in the window: 4 because")
    comfy.ask("set", "Comfy.ColorPalette", palette)
    comfy.drawn()
    plain, warning, behind = comfy.ask("luminances", guide.id)
    comfy.ask("set", "Comfy.ColorPalette", "dark")
    for ink in (plain, warning):
        low, high = sorted((ink, behind))
        assert (high + 0.05) / (low + 0.05) >= 4.5
    assert plain != warning
