"""The line of a SAG node: it stands once, in the strip or where the page writes its own, and it is of the last run."""

import pytest
from demo_graph import BASIC, sampled
from page_strip import tell

pytestmark = [pytest.mark.browser, pytest.mark.own_page]
in_both_modes = pytest.mark.parametrize("mode", ["classic", "Nodes 2.0"])
MUTED, BYPASSED = 2, 4
OFF = {"scale 0": "off in the last run: scale was 0", "blur 0": "off in the last run: blur_sigma was 0",
       "bypassed": "off in the last run: bypassed or muted"}  # fmt: skip


@pytest.fixture
def run(comfy):
    """Runs the graph, and waits until all of it has ended."""
    comfy.ask("countEnds")
    ends = 0

    def once():
        nonlocal ends
        ends += 1
        comfy.run()
        comfy.wait("haveEnded", ends, timeout=120_000)
        comfy.drawn()

    return once


@in_both_modes
def test_where_a_strip_is_the_page_writes_no_line_of_its_own_and_leaves_no_gap(comfy, guide, run):
    guide.element()
    before = comfy.area(guide.id)
    run()
    guide.waits_for("acted on 4 of 4")
    assert comfy.ask("hostLines", guide.id) == []
    assert comfy.area(guide.id) == before


@pytest.fixture
def without_strips(server):
    server.post("/settings", {"SAG delayed activation.Strips": False})
    yield
    server.post("/settings", {"SAG delayed activation.Strips": True})


@in_both_modes
def test_without_strips_the_page_writes_the_line_and_it_stays(without_strips, fresh):
    fresh.build(*sampled(steps=4))
    fresh.ask("countEnds")
    fresh.run()
    fresh.pictures("shown")
    fresh.wait("haveEnded", 1)
    for _ in range(30):
        fresh.drawn()  # page 1.58 takes its lines away as a prompt ends
    (line,) = fresh.ask("hostLines", fresh.ids["sag"])
    assert line.startswith("acted on 4 of 4 model evaluations, from sigma")
    assert fresh.page.get_by_text("acted on 4 of 4 model evaluations").filter(visible=True).count() == 1
    (node,) = (node for node in fresh.nodes() if node["type"] == BASIC)
    assert node["widgets_values"] == [0.5, 2, 15, 0]


def switch_off(comfy, guide, how):
    if how == "bypassed":
        comfy.ask("setMode", guide.id, BYPASSED)
    else:
        comfy.set_value("sag", {"scale 0": "scale", "blur 0": "blur_sigma"}[how], 0)


@in_both_modes
@pytest.mark.parametrize("how", ["scale 0", "bypassed"])
def test_after_the_next_run_a_node_that_is_off_says_so_and_nothing_red_stays(comfy, guide, run, how):
    comfy.set_value("sag", "sigma_start", 0.01)
    run()
    guide.waits_for("acted on 0 of 4")
    assert comfy.ask("isRed", guide.id)
    run()  # the host's cache answers all of it
    assert comfy.ask("isRed", guide.id) and "acted on 0 of 4" in guide.line()
    switch_off(comfy, guide, how)
    run()
    guide.waits_for(OFF[how])
    assert not comfy.ask("isRed", guide.id) and guide.counts("lit", "skipped") == [0, 0]


def hear(comfy, *events):
    """What the server tells of a prompt."""
    for event, data in events:
        comfy.server.post("/page_events", {"event": event, "data": data})


@pytest.mark.parametrize("how, mode_of_node, line", [
    ("muted", MUTED, "off in the last run: bypassed or muted"), ("blur 0", None, OFF["blur 0"]),
    ("executed and silent", None, "a guess until it has run"),
])  # fmt: skip
def test_a_prompt_in_which_something_was_executed_takes_old_warnings_away(comfy, guide, how, mode_of_node, line):
    tell(comfy, [14.6, 4.1], acted=[], skipped=[0, 1])
    guide.waits_for("acted on 0 of 2")
    if mode_of_node:
        comfy.ask("setMode", guide.id, mode_of_node)
    elif how == "blur 0":
        switch_off(comfy, guide, how)
    ran = str(comfy.ids["sag" if how == "executed and silent" else "sampler"])
    start, success = ("execution_start", {"prompt_id": "x"}), ("execution_success", {"prompt_id": "x"})
    hear(comfy, start, success)  # all came from the cache
    comfy.drawn()
    assert "acted on 0 of 2" in guide.line()
    hear(comfy, start, ("executing", {"node": ran, "display_node": ran, "prompt_id": "x"}), success)
    guide.waits_for(line)
    assert not comfy.ask("isRed", guide.id)
