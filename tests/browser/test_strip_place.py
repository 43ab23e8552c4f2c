"""The strip's place on the page: as wide as its node, with the canvas's mouse where it has no use of its own."""

import pytest
from demo_graph import sampled
from page_strip import Strip

pytestmark = [pytest.mark.browser, pytest.mark.own_page]
PANEL = "Comfy.RightSidePanel.IsOpen"
in_both_modes = pytest.mark.parametrize("mode", ["classic", "Nodes 2.0"])


@pytest.mark.parametrize("width", [None, 257], ids=["born", "after the panel has drawn it"])
def test_the_strip_is_as_wide_as_its_node(comfy, guide, width):
    """The Parameters panel of pages from 1.49 on gives a widget a width of its own, and leaves it."""
    guide.element()
    comfy.ask("setWidth", guide.id, width)
    for wide in (520, 400):
        comfy.ask("resize", guide.id, wide)
        comfy.wait("isAsWide", guide.id)


@in_both_modes
def test_it_is_so_after_the_parameters_panel_was_open_on_it_which_has_no_empty_row_for_it(fresh):
    if not fresh.at.folds:
        pytest.skip("this page has no such panel")
    fresh.build(*sampled())
    guide = Strip(fresh, "sag")
    guide.element()
    fresh.ask("select", guide.id)
    fresh.ask("set", PANEL, True)
    fresh.page.get_by_text("Parameters", exact=True).wait_for()
    for _ in range(30):
        fresh.drawn()  # it draws its rows one after another
    assert not fresh.page.get_by_text("Curve", exact=True).count()
    fresh.ask("set", PANEL, False)
    for _ in range(10):
        fresh.drawn()
    assert fresh.ask("isAsWide", guide.id)


@in_both_modes
def test_wheel_and_middle_button_over_the_strip_zoom_and_pan_the_canvas(comfy, guide):
    guide.element()
    comfy.wait("withinReach", guide.id, "sigma_start")
    (x, y), mouse = guide.middles("svg")[0], comfy.page.mouse
    scale, offset = comfy.ask("view")
    mouse.move(x, y)
    mouse.down(button="middle")
    mouse.move(x + 30, y + 20, steps=3)
    mouse.up(button="middle")
    comfy.drawn()
    now, moved = comfy.ask("view")
    assert now == scale and moved == [offset[0] + 30, offset[1] + 20]
    mouse.move(x + 50, y + 40)  # once it is released it pans no more
    comfy.drawn()
    assert comfy.ask("view") == [now, moved]
    mouse.wheel(0, -120)
    comfy.wait("isLarger", scale)


def test_the_strip_has_a_name_for_the_parameters_panel(comfy, find):
    label = "id => app.graph.getNodeById(id).widgets.find(({ name }) => name === 'sag_strip').label"
    find.element()
    assert comfy.page.evaluate(label, find.id) == "Curve"
