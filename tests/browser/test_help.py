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


def headings(path):
    return re.findall(r"^## (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)


def opened(comfy, kind, path):
    """The node's help, opened as a user does: a click on the node's title, one on the info button above it."""
    comfy.build({"node": (kind, (500, 300), {})}, [])
    title = comfy.area(comfy.ids["node"])
    comfy.page.mouse.click(title["x"] + 60, title["y"] - 12)
    comfy.page.get_by_test_id("info-button").click()
    shown = comfy.page.locator(".node-help-content")
    shown.get_by_role("heading", name=headings(path)[0], exact=True).wait_for()
    return shown


@pytest.fixture(scope="module", params=NODES)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def panel(open_page, server, kind):
    comfy = open_page(server)
    yield opened(comfy, kind, DOCS / f"{kind}.md")
    comfy.close()
    assert comfy.complaints() == []


def test_the_panel_shows_the_help_page_rendered(panel, kind):
    assert panel.locator("h2").all_inner_texts() == headings(DOCS / f"{kind}.md")
    assert not [mark for mark in ("**", "](", "|--") if mark in panel.inner_text()]


def test_its_pictures_load_and_fit_the_panel(panel):
    pictures = panel.evaluate(PICTURES)
    assert pictures
    for in_file, on_screen, room in pictures:
        assert in_file > 0 and 0 < on_screen <= room


@pytest.fixture
def in_japanese(server):
    """The pages that are opened from now on."""
    server.post("/settings", {"Comfy.Locale": "ja"})
    yield
    server.post("/settings", {"Comfy.Locale": "en"})


def test_on_a_japanese_page_the_help_is_japanese_with_the_same_pictures(in_japanese, fresh):
    kind, path = "SAG delayed activation", DOCS / "SAG delayed activation" / "ja.md"
    panel = opened(fresh, kind, path)
    assert panel.locator("h2").all_inner_texts() == headings(path)
    assert not [mark for mark in ("**", "](", "|--") if mark in panel.inner_text()]
    assert all(in_file > 0 for in_file, _, _ in panel.evaluate(PICTURES))
