"""The help of each node in the page's own help panel: found, readable, with its pictures."""

import re
from pathlib import Path

import pytest

from sag_delayed_activation import NODE_CLASS_MAPPINGS as NODES

pytestmark = pytest.mark.browser
DOCS = Path(__file__).parents[2] / "web" / "docs"
# Each picture: its width in the file, its width on the screen, the panel's width. Waits until all have come or failed.
PICTURES = """async panel => {
    const pictures = [...panel.querySelectorAll("img")];
    await Promise.all(pictures.map(p => p.complete || new Promise(done => p.onload = p.onerror = done)));
    return pictures.map(p => [p.naturalWidth, p.clientWidth, panel.clientWidth]);
}"""


@pytest.fixture(params=NODES)
def kind(request):
    return request.param


@pytest.fixture
def panel(comfy, kind):
    """The node's help, opened from the node library as a user does."""
    page = comfy.page
    page.get_by_role("button", name="Node Library (n)").click()
    page.locator(comfy.at.library_search).fill(kind)
    leaf = page.locator(comfy.at.library_node).filter(has=page.get_by_text(kind, exact=True))
    leaf.hover()
    leaf.locator(comfy.at.help).click()
    shown = page.locator(".node-help-content")
    shown.get_by_role("heading", name="Inputs").wait_for()
    return shown


def test_the_panel_shows_the_help_page_rendered(panel, kind):
    written = (DOCS / f"{kind}.md").read_text(encoding="utf-8")
    assert panel.locator("h2").all_inner_texts() == re.findall(r"^## (.+)$", written, re.MULTILINE)
    assert not [mark for mark in ("**", "](", "|--") if mark in panel.inner_text()]


def test_its_pictures_load_and_fit_the_panel(panel):
    pictures = panel.evaluate(PICTURES)
    assert pictures
    for in_file, on_screen, room in pictures:
        assert in_file > 0 and 0 < on_screen <= room
