"""ComfyUI's own page in Chromium, on the real server with the pack and the demo's nodes."""

import io
import json
import os
import re
import shutil
import time
from pathlib import Path

import pytest
from comfy_server import ComfyServer
from demo_graph import Links, Nodes
from PIL import Image

ROOT = Path(__file__).parents[2]
NODE = "SAG delayed activation"
ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--disable-sync"]  # fmt: skip
# Without it the template browser lies over the canvas on a first visit.
SETTINGS = {"Comfy.TutorialCompleted": True}
WORKFLOW = "window.app?.extensionManager?.workflow?.activeWorkflow"
# The page names a workflow as the active one after it has loaded it. Before that its tracker of changes is not there.
LOADED = f"before => {WORKFLOW}?.changeTracker && {WORKFLOW}.path !== before"
# Once a workflow has been drawn, the page moves the view to it; two frames on, all is at its place.
TWO_FRAMES = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
WIDGET_PLACE = """([id, name]) => {
    const node = app.graph.getNodeById(id), canvas = app.canvas;
    const widget = node.widgets.find(widget => widget.name === name);
    const middle = [node.pos[0] + node.size[0] / 2, node.pos[1] + widget.last_y + 10];
    const [x, y] = canvas.ds.convertOffsetToCanvas(middle), corner = canvas.canvas.getBoundingClientRect();
    return [corner.left + x, corner.top + y];
}"""
ADD = """([nodes, links, ids]) => {
    for (const [name, [kind, place, values]] of Object.entries(nodes)) {
        const node = LiteGraph.createNode(kind);
        node.pos = place;
        app.graph.add(node);
        for (const [widget, value] of Object.entries(values))
            node.widgets.find(found => found.name === widget).value = value;
        ids[name] = node.id;
    }
    for (const [from, output, to, input] of links)
        app.graph.getNodeById(ids[from]).connect(output, app.graph.getNodeById(ids[to]), input);
    app.canvas.draw(true, true);
    return ids;
}"""
PICTURES = """id => {
    const pictures = app.graph.getNodeById(id).imgs ?? [];
    const arrived = pictures.length && pictures.every(picture => picture.complete && picture.naturalWidth);
    return arrived ? pictures.map(picture => [picture.naturalWidth, picture.naturalHeight]) : null;
}"""
AREA = """id => {
    const node = app.graph.getNodeById(id), corner = app.canvas.canvas.getBoundingClientRect();
    const [x, y] = app.canvas.ds.convertOffsetToCanvas(node.pos), scale = app.canvas.ds.scale;
    return {x: corner.left + x, y: corner.top + y, width: node.size[0] * scale, height: node.size[1] * scale};
}"""
OUTLINE = """id => {
    const node = app.graph.getNodeById(id);
    return Object.values(node.strokeStyles).map(style => style.call(node)?.color).find(Boolean) ?? null;
}"""
WATCH_FOR_POPUPS = """() => {
    window.popups = [];
    const note = element => element.matches("[role^=dialog], [role^=alert]") && popups.push(element.innerText);
    new MutationObserver(changes => {
        const added = changes.flatMap(change => [...change.addedNodes]).filter(node => node instanceof Element);
        for (const element of added) [element, ...element.querySelectorAll("*")].forEach(note);
    }).observe(document.body, { childList: true, subtree: true });
}"""


class ComfyPage:
    """What a user does in the page. `page` is Playwright's; node ids are the graph's."""

    def __init__(self, page, url: str) -> None:
        self.page, self.url = page, url
        self.ids: dict[str, int] = {}  # of the nodes that `add` has made

    def open(self) -> None:
        self.page.goto(self.url)
        self._loaded(None)

    def _loaded(self, before: str | None) -> None:
        """Waits until another workflow than `before` is there, and the view where it belongs."""
        self.page.wait_for_function(LOADED, arg=before, timeout=60_000)
        self.drawn()

    def drawn(self) -> None:
        """Waits until what was changed is to be seen."""
        self.page.evaluate(TWO_FRAMES)

    def clear(self) -> None:
        self.page.evaluate("app.graph.clear()")

    def open_file(self, path: Path) -> None:
        """As the menu's "Open" does, once the file has been picked."""
        before = self.page.evaluate(f"{WORKFLOW}.path")
        self.page.set_input_files("#comfy-file-input", path)
        self._loaded(before)

    def build(self, nodes: Nodes, links: Links) -> None:
        """A graph of these alone."""
        self.clear()
        self.ids = {}
        self.add(nodes, links)

    def add(self, nodes: Nodes, links: Links) -> None:
        slots = [re.split(r"\.| > ", link) for link in links]
        self.ids = self.page.evaluate(ADD, [nodes, slots, self.ids])

    def place_by_search(self, name: str, typed: str) -> int:
        """Opens the search on the empty canvas, types, and takes the answer that has this name."""
        self.double_click(640, 400)
        self.page.get_by_role("combobox").press_sequentially(typed)
        answer = re.compile(rf"^\s*{re.escape(name)}\s*model_patches")
        self.page.get_by_role("option").filter(has_text=answer).click()
        self.page.wait_for_function("() => app.graph._nodes.length === 1")
        return self.node_id(name)

    def double_click(self, x: float, y: float) -> None:
        """Two clicks that say of themselves that they are a tenth of a second apart.

        Playwright's own two may carry one timestamp, to the browser's 0.1 ms; the page takes those for one click.
        """
        devtools, first = self.page.context.new_cdp_session(self.page), time.time()
        for number, kind in enumerate(["mousePressed", "mouseReleased"] * 2):
            event = {"type": kind, "x": x, "y": y, "button": "left", "clickCount": 1 + number // 2}
            devtools.send("Input.dispatchMouseEvent", {**event, "timestamp": first + number / 20})
        devtools.detach()

    def nodes(self) -> list[dict]:
        """The graph's nodes in the format in which the page saves them."""
        return json.loads(self.page.evaluate("JSON.stringify(app.graph.serialize().nodes)"))

    def node_id(self, kind: str = NODE) -> int:
        (found,) = (node["id"] for node in self.nodes() if node["type"] == kind)
        return found

    def values(self, node: int | None = None) -> dict[str, float | str]:
        return self.page.evaluate(
            "id => Object.fromEntries((app.graph.getNodeById(id).widgets ?? []).map(w => [w.name, w.value]))",
            node or self.node_id(),
        )

    def type_value(self, name: str, value: float | str, node: int | None = None) -> None:
        """A click on the widget, the value, Enter."""
        self.page.mouse.click(*self.page.evaluate(WIDGET_PLACE, [node or self.node_id(), name]))
        box = self.page.locator(".graphdialog input")
        box.fill(str(value))
        box.press("Enter")
        box.wait_for(state="detached")

    def tooltip(self, name: str, node: int | None = None) -> str:
        """What the page shows while the mouse rests on the widget; the canvas must be empty at (640, 700)."""
        x, y = self.page.evaluate(WIDGET_PLACE, [node or self.node_id(), name])
        self.page.mouse.move(640, 700)  # so that the last tooltip goes
        self.page.locator(".node-tooltip").wait_for(state="hidden")
        self.page.mouse.move(x - 3, y)
        self.page.mouse.move(x, y)
        shown = self.page.locator(".node-tooltip")
        shown.wait_for(state="visible")
        return shown.inner_text()

    def run(self) -> None:
        self.page.get_by_role("button", name="Run", exact=True).click()

    def pictures(self, name: str) -> list[list[int]]:
        """Width and height of the pictures that a node of `add` shows, once they are there."""
        return self.page.wait_for_function(PICTURES, arg=self.ids[name], timeout=120_000).json_value()

    def colours(self, name: str) -> set[tuple[int, int, int]]:
        """All that are to be seen on a node of `add`."""
        self.drawn()
        seen = self.page.screenshot(clip=self.area(self.ids[name]))
        picture = Image.open(io.BytesIO(seen)).convert("RGB")
        return {colour for _, colour in picture.getcolors(picture.width * picture.height)}

    def area(self, node: int) -> dict[str, float]:
        """x, y, width and height in the page, without the title above."""
        return self.page.evaluate(AREA, node)

    def outline(self, node: int) -> str | None:
        """The colour around a node in which something went wrong or that runs."""
        return self.page.evaluate(OUTLINE, node)

    def watch_for_popups(self) -> None:
        self.page.evaluate(WATCH_FOR_POPUPS)

    def popups(self) -> list[str]:
        """The texts of all dialogs and toasts since `watch_for_popups`."""
        return self.page.evaluate("popups")

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
    packs = {"sag-delayed-activation": ROOT, "sag-demo": ROOT / "lab/demo/sag_demo",
             "unet-calls": ROOT / "tests/support/unet_calls"}  # fmt: skip
    with ComfyServer(Path(os.environ["COMFYUI_PATH"]), base, packs) as running:
        yield running


@pytest.fixture
def screen():
    return {"viewport": {"width": 1280, "height": 800}}


@pytest.fixture
def comfy(chromium, server, screen):
    """The page in a browser that has never been there."""
    context = chromium.new_context(**screen)
    context.set_default_timeout(20_000)
    page = ComfyPage(context.new_page(), server.url)
    page.open()
    yield page
    context.close()
