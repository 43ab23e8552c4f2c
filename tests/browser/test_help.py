"""The help of each node in the page's own help panel: found, readable, with its pictures."""

import re
from pathlib import Path

import pytest

from sag_delayed_activation import NODE_CLASS_MAPPINGS as NODES

pytestmark = [pytest.mark.browser, pytest.mark.own_page]
DOCS = Path(__file__).parents[2] / "web" / "docs"
# Each picture: its width in the file, its width on the screen, the panel's width. Waits until all have come or failed.
PICTURES = """async panel => {
    const pictures = [...panel.querySelectorAll("img")];
    await Promise.all(pictures.map(p => p.complete || new Promise(done => p.onload = p.onerror = done)));
    return pictures.map(p => [p.naturalWidth, p.clientWidth, panel.clientWidth]);
}"""


@pytest.fixture(scope="module", params=NODES)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def panel(open_page, server, kind):
    """The node's help, opened as a user does: a click on the node's title, one on the info button above it."""
    comfy = open_page(server)
    comfy.build({"node": (kind, (500, 300), {})}, [])
    title = comfy.area(comfy.ids["node"])
    comfy.page.mouse.click(title["x"] + 60, title["y"] - 12)
    comfy.page.get_by_test_id("info-button").click()
    shown = comfy.page.locator(".node-help-content")
    shown.get_by_role("heading", name="Inputs").wait_for()
    yield shown
    comfy.close()
    assert comfy.complaints() == []


def test_the_panel_shows_the_help_page_rendered(panel, kind):
    written = (DOCS / f"{kind}.md").read_text(encoding="utf-8")
    assert panel.locator("h2").all_inner_texts() == re.findall(r"^## (.+)$", written, re.MULTILINE)
    assert not [mark for mark in ("**", "](", "|--") if mark in panel.inner_text()]


def test_its_pictures_load_and_fit_the_panel(panel):
    pictures = panel.evaluate(PICTURES)
    assert pictures
    for in_file, on_screen, room in pictures:
        assert in_file > 0 and 0 < on_screen <= room
