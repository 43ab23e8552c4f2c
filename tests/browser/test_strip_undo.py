"""After undo and redo, which make all nodes anew, the strip that one sees is the new node's: it lives."""

import pytest
from demo_graph import sampled, window
from page_strip import Strip, tell

pytestmark = [pytest.mark.browser, pytest.mark.own_page]
in_both_modes = pytest.mark.parametrize("mode", ["classic", "Nodes 2.0"])
FOUR = [14.6, 4.1, 1.6, 0.7]


@pytest.fixture
def both(comfy):
    """The strips of a SAG node and of a sigma window that is wired to nothing but the model."""
    nodes, links = sampled(steps=4)
    comfy.build({**nodes, "window": window(steps=20)[0]["window"]}, [*links, "model.model > window.model"])
    guide, find = Strip(comfy, "sag"), Strip(comfy, "window")
    guide.element(), find.element()
    comfy.wait("willUndoTo", find.id)
    return guide, find


def move(comfy, name):
    """Another node, as its drag ends."""
    comfy.ask("move", comfy.ids[name], 40)
    comfy.wait("willUndoTo", comfy.ids[name])


def after(comfy, *commands):
    for command in commands:
        comfy.ask(command)
        comfy.drawn()


@in_both_modes
@pytest.mark.parametrize("commands", [["undo"], ["undo", "redo"]], ids="-".join)
def test_a_strip_lives_after_undo_and_redo_of_another_nodes_move(comfy, both, commands):
    guide, find = both
    move(comfy, "shown")
    after(comfy, *commands)
    for strip, end, line in [(guide, "sigma_start", "sigma 3 to 0"), (find, "start", "steps 3 to 19")]:
        before = strip.seen()
        comfy.set_value(strip.name, end, 3)
        strip.waits_for(line)
        seen = strip.seen()
        assert line in seen["line"] and seen["window"] != before["window"] and seen["grips"][0] > before["grips"][0]
    guide.drag("sigma_start", lambda: guide.tick("5"))
    find.drag("start", lambda: find.between_steps(8))
    assert comfy.values_of("sag", "sigma_start")[0] == pytest.approx(5, rel=0.1)
    assert comfy.values_of("window", "start") == [8]
    assert "steps 8 to 19 of 20" in find.seen()["line"]
    tell(comfy, FOUR, acted=[1, 2])
    guide.waits_for("lie inside")
    assert "lie inside" in guide.seen()["line"] and guide.seen()["curve"]


@in_both_modes
def test_undo_of_a_drag_puts_back_the_grip_that_one_sees(comfy, both):
    _, find = both
    first = find.seen()
    find.drag("start", lambda: find.between_steps(8))
    second = find.seen()
    assert second["grips"][0] > first["grips"][0] + 50
    for command, line, seen in [("undo", "steps 0 to", first), ("redo", "steps 8 to", second)]:
        after(comfy, command)
        find.waits_for(line)
        assert find.seen() == seen
