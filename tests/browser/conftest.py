"""A browser, the real server with the pack and the demo's nodes, and its page as the tests get it.

`--page 1.58.1` puts that version of the page in the place of the host's own. tests/support/comfy_page.py says what a
user does in it.
"""

import json
import os
import shutil
from functools import partial
from pathlib import Path

import pytest
from browser_pages import OWN, front_end
from comfy_page import CLASSIC, ComfyPage
from comfy_server import ComfyServer
from demo_graph import sampled
from page_strip import Strip, window_of_20_steps

ROOT = Path(__file__).parents[2]
ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--disable-sync"]  # fmt: skip
SETTINGS = {
    "Comfy.TutorialCompleted": True,  # else the template browser lies over the canvas on a first visit
    "LiteGraph.Node.TooltipDelay": 100,  # milliseconds; usually 500
    "Comfy.Workflow.ShowMissingModelsWarning": False,  # of the graph that the page opens with
}


@pytest.fixture(scope="session")
def chromium():
    playwright = pytest.importorskip("playwright.sync_api", reason="no browser: Playwright is not installed")
    executable = shutil.which("chromium")
    if not executable:
        pytest.skip("no browser: there is no chromium on the PATH")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=executable, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def serve(chromium, request):
    """Makes a server with the page that is asked for, not yet started, on a folder of its own."""
    if not os.environ.get("COMFYUI_PATH"):
        pytest.skip("COMFYUI_PATH names no ComfyUI")
    packs = {"sag-delayed-activation": ROOT, "sag-demo": ROOT / "lab/demo/sag_demo",
             "unet-calls": ROOT / "tests/support/unet_calls",
             "page-events": ROOT / "tests/support/page_events"}  # fmt: skip
    version = request.config.getoption("--page")
    more = [] if version == OWN else ["--front-end-root", str(front_end(version))]

    def made(base: Path) -> ComfyServer:
        (base / "user/default").mkdir(parents=True)
        (base / "user/default/comfy.settings.json").write_text(json.dumps(SETTINGS))
        return ComfyServer(Path(os.environ["COMFYUI_PATH"]), base, packs, *more)

    return made


@pytest.fixture(scope="session")
def server(serve, tmp_path_factory):
    with serve(tmp_path_factory.mktemp("base")) as running:
        yield running


@pytest.fixture(scope="session")
def open_page(chromium):
    """Opens a server's page; the caller closes it."""
    return partial(ComfyPage, chromium)


@pytest.fixture
def mode():
    """In which the page draws its nodes. A test that draws them in both has `mode` among its parameters."""
    return CLASSIC


@pytest.fixture
def fresh(open_page, server, mode):
    """A page that no other test sees; the pack must not have led it to a complaint in the end."""
    page = open_page(server, mode)
    yield page
    page.close()
    assert page.complaints() == []


@pytest.fixture(scope="session")
def used_pages(open_page):
    """By mode; those that are open."""
    pages = {}
    yield pages
    for page in pages.values():
        page.close()


@pytest.fixture
def comfy(used_pages, open_page, server, mode, request):
    """A page that other tests have used, with an empty graph: to open one takes seconds."""
    failed_before = request.session.testsfailed
    if mode not in used_pages:
        used_pages[mode] = open_page(server, mode)
    page = used_pages[mode]
    page.clear()
    yield page
    if request.session.testsfailed > failed_before or page.is_covered():
        used_pages.pop(mode).close()  # the next test gets one that is in order
    assert page.complaints() == []


@pytest.fixture
def find(comfy):
    """The strip of the sigma window."""
    return window_of_20_steps(comfy)


@pytest.fixture
def guide(comfy):
    """The strip of the basic node in a graph that samples."""
    comfy.build(*sampled(steps=4))
    return Strip(comfy, "sag")
