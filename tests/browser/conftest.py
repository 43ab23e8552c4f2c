"""ComfyUI's own page in Chromium, on the real server with the pack and the demo's nodes."""

import json
import os
import shutil
from pathlib import Path

import pytest
from comfy_server import ComfyServer

ROOT = Path(__file__).parents[2]
NODE = "SAG delayed activation"
ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--disable-sync"]  # fmt: skip
# Without it the template browser lies over the canvas on a first visit.
SETTINGS = {"Comfy.TutorialCompleted": True}
READY = "node => Boolean(window.app?.graph?._nodes?.length && LiteGraph.registered_node_types[node])"
WIDGET_PLACE = """([id, name]) => {
    const node = app.graph.getNodeById(id), canvas = app.canvas;
    const widget = node.widgets.find(widget => widget.name === name);
    const middle = [node.pos[0] + node.size[0] / 2, node.pos[1] + widget.last_y + 10];
    const [x, y] = canvas.ds.convertOffsetToCanvas(middle), corner = canvas.canvas.getBoundingClientRect();
    return [corner.left + x, corner.top + y];
}"""


class ComfyPage:
    """What a user does in the page. `page` is Playwright's; node ids are the graph's."""

    def __init__(self, page, url: str) -> None:
        self.page, self.url = page, url

    def open(self) -> None:
        self.page.goto(self.url)
        self.page.wait_for_function(READY, arg=NODE, timeout=60_000)
        self.page.wait_for_timeout(1000)  # the page goes on arranging itself, without a sign when it is done

    def clear(self) -> None:
        self.page.evaluate("app.graph.clear()")

    def open_file(self, path: Path) -> None:
        """As the menu's "Open" does, once the file has been picked."""
        self.page.evaluate("app.graph.clear()")
        self.page.set_input_files("#comfy-file-input", path)
        self.page.wait_for_function("() => app.graph._nodes.length > 0")
        self.page.wait_for_timeout(500)

    def nodes(self) -> list[dict]:
        """The graph's nodes in the format in which the page saves them."""
        return json.loads(self.page.evaluate("JSON.stringify(app.graph.serialize().nodes)"))

    def node_id(self, kind: str = NODE) -> int:
        (found,) = (node["id"] for node in self.nodes() if node["type"] == kind)
        return found

    def values(self, node: int | None = None) -> dict[str, float]:
        return self.page.evaluate(
            "id => Object.fromEntries(app.graph.getNodeById(id).widgets.map(w => [w.name, w.value]))",
            node or self.node_id(),
        )

    def type_value(self, name: str, value: float) -> None:
        """A double click on the widget, the number, Enter."""
        self.page.mouse.dblclick(*self.page.evaluate(WIDGET_PLACE, [self.node_id(), name]))
        box = self.page.locator(".graphdialog input")
        box.fill(str(value))
        box.press("Enter")
        box.wait_for(state="detached")

    def tooltip(self, name: str) -> str:
        """What the page shows while the mouse rests on the widget; the canvas must be empty at (640, 700)."""
        x, y = self.page.evaluate(WIDGET_PLACE, [self.node_id(), name])
        self.page.mouse.move(640, 700)  # so that the last tooltip goes
        self.page.locator(".node-tooltip").wait_for(state="hidden")
        self.page.mouse.move(x - 3, y)
        self.page.mouse.move(x, y)
        shown = self.page.locator(".node-tooltip")
        shown.wait_for(state="visible")
        return shown.inner_text()

    def run(self) -> None:
        self.page.get_by_role("button", name="Run", exact=True).click()

    def prompt(self) -> dict:
        """The API workflow that the page would queue."""
        return json.loads(self.page.evaluate("async () => JSON.stringify((await app.graphToPrompt()).output)"))


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
def server(chromium, tmp_path_factory):
    if not os.environ.get("COMFYUI_PATH"):
        pytest.skip("COMFYUI_PATH names no ComfyUI")
    base = tmp_path_factory.mktemp("base")
    (base / "user/default").mkdir(parents=True)
    (base / "user/default/comfy.settings.json").write_text(json.dumps(SETTINGS))
    packs = {"sag-delayed-activation": ROOT, "sag-demo": ROOT / "demo/sag_demo"}
    with ComfyServer(Path(os.environ["COMFYUI_PATH"]), base, packs) as running:
        yield running


@pytest.fixture
def comfy(chromium, server):
    """The page in a browser that has never been there, 1280 x 800."""
    context = chromium.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(20_000)
    page = ComfyPage(context.new_page(), server.url)
    page.open()
    yield page
    context.close()
