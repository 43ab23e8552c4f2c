"""ComfyUI's page in Chromium, on the real server with the pack and the demo's nodes.

`--page 1.58.1` puts that version of the page in the place of the host's own.
"""

import io
import itertools
import json
import os
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import quote

import pytest
from browser_pages import OWN, front_end, selectors_of
from comfy_server import ComfyServer
from demo_graph import Links, Nodes
from PIL import Image

ROOT = Path(__file__).parents[2]
NODE = "SAG delayed activation"
ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--disable-sync"]  # fmt: skip
VIEWPORT = {"width": 1600, "height": 1200}
CLASSIC, NODES_2 = "classic", "Nodes 2.0"
SETTINGS = {
    "Comfy.TutorialCompleted": True,  # else the template browser lies over the canvas on a first visit
    "Comfy.Workflow.ShowMissingModelsWarning": False,  # of the graph that the page opens with
}
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
SET_VALUE = """([id, name, value]) => {
    app.graph.getNodeById(id).widgets.find(widget => widget.name === name).value = value;
    app.canvas.setDirty(true, true);
}"""
UNFOLD = """id => {
    const node = app.graph.getNodeById(id);
    node.showAdvanced = true;
    app.canvas.draw(true, true);
}"""
CLEAR = """first => {
    app.canvas.setGraph(app.graph);  // out of a subgraph
    app.graph.clear();
    app.graph.last_node_id = first;
    app.canvas.ds.reset();
}"""
SAVE_AS = "() => void app.extensionManager.command.execute('Comfy.SaveWorkflowAs')"
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
    const inDom = document.querySelectorAll(`[data-node-id="${id}"] img`);  // of Nodes 2.0
    const pictures = inDom.length ? [...inDom] : app.graph.getNodeById(id).imgs ?? [];
    const arrived = pictures.length && pictures.every(picture => picture.complete && picture.naturalWidth);
    return arrived ? pictures.map(picture => [picture.naturalWidth, picture.naturalHeight]) : null;
}"""
AREA = """id => {
    const box = document.querySelector(`[data-node-id="${id}"]`)?.getBoundingClientRect();  // of Nodes 2.0
    if (box) return {x: box.x, y: box.y, width: box.width, height: box.height};
    const node = app.graph.getNodeById(id), corner = app.canvas.canvas.getBoundingClientRect();
    const [x, y] = app.canvas.ds.convertOffsetToCanvas(node.pos), scale = app.canvas.ds.scale;
    return {x: corner.left + x, y: corner.top + y, width: node.size[0] * scale, height: node.size[1] * scale};
}"""
OUTLINE = """id => {
    const node = app.graph.getNodeById(id);
    return Object.values(node.strokeStyles).map(style => style.call(node)?.color).find(Boolean) ?? null;
}"""
POPUP = "[role^=dialog], [role^=alert], [data-testid=error-overlay]"  # the last on newer pages
WATCH_FOR_POPUPS = """selector => {
    window.popups = [];
    const note = element => element.matches(selector) && popups.push(element.innerText);
    new MutationObserver(changes => {
        const added = changes.flatMap(change => [...change.addedNodes]).filter(node => node instanceof Element);
        for (const element of added) [element, ...element.querySelectorAll("*")].forEach(note);
    }).observe(document.body, { childList: true, subtree: true });
}"""


NUMBERS = itertools.count()
OURS = "/extensions/sag-delayed-activation/"  # in the address of every file of the pack's that the page loads
HELP_IN_A_LANGUAGE = re.compile(r"/docs/[^/]+/[a-z]+\.md")  # which the page asks for before that in English


class Complaints:
    """What the page's console says to which a file of the pack has led: errors, warnings, what was not to be had."""

    def __init__(self, page, into: list[str]) -> None:
        self.all = into
        devtools = page.context.new_cdp_session(page)
        for domain, event in [("Runtime", "consoleAPICalled"), ("Runtime", "exceptionThrown"), ("Log", "entryAdded")]:
            devtools.on(f"{domain}.{event}", self._hear)
            devtools.send(f"{domain}.enable")

    def _hear(self, event: dict) -> None:
        said = json.dumps(event)  # with its stack
        kind = event.get("type") or event.get("entry", {}).get("level", "error")
        if OURS in said and not HELP_IN_A_LANGUAGE.search(said) and kind in ("error", "warning", "assert"):
            self.all.append(said)


class ComfyPage:
    """What a user does in the page. `page` is Playwright's; node ids are the graph's."""

    def __init__(self, browser, server: ComfyServer, mode: str, screen: dict) -> None:
        self.browser, self.server, self.mode, self.screen = browser, server, mode, screen
        self.ids: dict[str, int] = {}  # of the nodes that `add` has made
        self.page, self.complained = None, []
        self.open()

    def open(self, prepare: Callable = lambda page: None) -> None:
        """In a browser that has never been there: the page keeps open workflows, and writes them down as it closes."""
        self.close()
        context = self.browser.new_context(**self.screen)
        context.set_default_timeout(60_000)  # a tenth of that is enough on two idle cores
        self.page = context.new_page()
        Complaints(self.page, self.complained)
        prepare(self.page)
        self.server.post("/settings", {"Comfy.VueNodes.Enabled": self.mode == NODES_2})  # of all pages to be opened
        self.page.goto(self.server.url)
        self.cleared = itertools.count()  # how often
        self._loaded(None)
        self.at = selectors_of(self.page.evaluate("__COMFYUI_FRONTEND_VERSION__"))

    def close(self) -> None:
        if self.page:
            self.page.context.close()

    def complaints(self) -> list[str]:
        """Those to which the pack has led since the last time that they were asked for."""
        said, self.complained[:] = [*self.complained], []
        return said

    def _loaded(self, before: str | None) -> None:
        """Waits until another workflow than `before` is there, and the view where it belongs."""
        self.page.wait_for_function(LOADED, arg=before, timeout=60_000)
        self.drawn()

    def drawn(self) -> None:
        """Waits until what was changed is to be seen."""
        self.page.evaluate(TWO_FRAMES)

    def clear(self) -> None:
        """With other ids for the nodes to come: some pages keep the values of a node by its id."""
        self.page.evaluate(CLEAR, 100 * next(self.cleared))

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
        self.open_search()
        self.page.get_by_role("combobox").press_sequentially(typed)
        answer = re.compile(rf"^\s*{re.escape(name)}\s*(sag-delayed-activation\s*)?model_patches")
        self.page.locator(self.at.found_node).filter(has_text=answer).click()
        self.page.wait_for_function("() => app.graph._nodes.length === 1")
        return self.node_id(name)

    def open_search(self) -> None:
        """By a double click on the empty canvas; page 1.49 misses one now and then, and a user tries again."""
        for _ in range(3):
            self.double_click(640, 400)
            ends = time.monotonic() + 20
            while time.monotonic() < ends:
                if self.page.get_by_role("combobox").count():
                    return
                self.drawn()

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
            "id => Object.fromEntries((app.graph.getNodeById(id).widgets ?? [])"
            ".filter(w => w.serialize !== false).map(w => [w.name, w.value]))",
            node or self.node_id(),
        )

    def type_value(self, name: str, value: float | str, node: int | None = None) -> None:
        """A click on the widget, the value, Enter."""
        if self.mode == NODES_2:
            if not self.at.decimals:
                pytest.skip("this page takes no decimal point in Nodes 2.0")
            self._type_into(self.widget(name, node), value)
            return
        self.page.mouse.click(*self.page.evaluate(WIDGET_PLACE, [node or self.node_id(), name]))
        box = self.page.locator(".graphdialog input")
        box.fill(str(value))
        box.press("Enter")
        box.wait_for(state="detached")

    def widget(self, name: str, node: int | None = None):
        """The box of Nodes 2.0 in which a value stands."""
        shown = self.page.locator(f'[data-node-id="{node or self.node_id()}"]')
        return shown.locator(f'[aria-label="{name}"] input, input[aria-label="{name}"]').first

    def _type_into(self, box, value: float | str) -> None:
        place = box.bounding_box()
        self.page.mouse.click(place["x"] + place["width"] / 2, place["y"] + place["height"] / 2)
        self.page.keyboard.press("Control+a")
        self.page.keyboard.type(str(value))
        self.page.keyboard.press("Enter")
        self.drawn()

    def unfold(self, name: str) -> None:
        """Shows what a node of `add` folds away, as its menu or the button at its foot does."""
        self.page.evaluate(UNFOLD, self.ids[name])
        self.drawn()

    def set_value(self, name: str, widget: str, value: float | str) -> None:
        """Of a node of `add`, as a script does it: without a word to anybody."""
        self.page.evaluate(SET_VALUE, [self.ids[name], widget, value])
        self.drawn()

    def save(self, name: str) -> str:
        """Under a name of its own, which begins with this one."""
        name = f"{name} {next(NUMBERS)}"
        self.page.evaluate(SAVE_AS)  # Control+s asks for no name where the workflow has one
        self.page.get_by_role("dialog").get_by_role("textbox").fill(name)
        self.page.keyboard.press("Enter")
        self.page.get_by_role("dialog").wait_for(state="hidden")
        self.saved(name)
        return name

    def saved(self, name: str) -> dict:
        """The workflow as it was saved, once it is: the page sends it after its dialog has gone."""
        ends = time.monotonic() + 60
        while True:
            try:
                return self.server.get(f"/userdata/workflows%2F{quote(name)}.json")
            except HTTPError as missing:
                if missing.code != 404 or time.monotonic() > ends:
                    raise
                time.sleep(0.1)

    def open_saved(self, name: str) -> None:
        """In a page of which only what was saved remains."""
        self.open()
        workflows = self.page.get_by_role("button", name="Workflows (w)")
        workflows.click()
        before = self.page.evaluate(f"{WORKFLOW}.path")
        self.page.locator(self.at.saved_workflow % name).click()
        self._loaded(before)
        workflows.click()  # or they would lie over the canvas

    def tooltip(self, name: str, node: int | None = None) -> str:
        """What the page shows while the mouse rests on the widget; the canvas must be empty at (200, 700)."""
        x, y = self.page.evaluate(WIDGET_PLACE, [node or self.node_id(), name])
        self.page.mouse.move(200, 700)  # so that the last tooltip goes
        self.page.locator(".node-tooltip").wait_for(state="hidden")
        self.page.mouse.move(x - 3, y)
        self.page.mouse.move(x, y)
        shown = self.page.locator(".node-tooltip")
        shown.wait_for(state="visible")
        return shown.inner_text()

    def run(self) -> None:
        self.page.locator(self.at.run).click()

    def refusal(self, sentence: str) -> None:
        """Waits until the page shows a sentence, after the one click that it may take."""
        if self.at.error_details:
            self.page.locator(self.at.error_details).click()
            info = self.page.locator(self.at.error_info)
            self.page.locator(self.at.errors).get_by_text(sentence).or_(info).first.wait_for()
            if info.count():
                info.first.click()
        self.page.locator(self.at.errors).get_by_text(sentence).first.wait_for()

    def pictures(self, name: str) -> list[list[int]]:
        """Width and height of the pictures that a node of `add` shows, once they are there."""
        return self.shown(self.ids[name])

    def shown(self, node: int) -> list[list[int]]:
        return self.page.wait_for_function(PICTURES, arg=node, timeout=120_000).json_value()

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
        self.page.evaluate(WATCH_FOR_POPUPS, POPUP)

    def popups(self) -> list[str]:
        """The texts of all dialogs and toasts since `watch_for_popups`."""
        return self.page.evaluate("popups")

    def prompt(self) -> dict:
        """The API workflow that the page would queue."""
        return json.loads(self.page.evaluate("async () => JSON.stringify((await app.graphToPrompt()).output)"))


def pytest_addoption(parser) -> None:
    parser.addoption("--page", default=OWN, help="a version of comfyui-frontend-package, or own: the host's")


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
    version = request.config.getoption("--page", OWN)
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


@pytest.fixture
def screen():
    return {"viewport": VIEWPORT}


@pytest.fixture
def mode():
    """In which the page draws its nodes. A test that draws them in both has `mode` among its parameters."""
    return CLASSIC


@pytest.fixture(scope="session")
def page_on(chromium):
    """Opens a server's page; the caller closes it."""
    return lambda server, mode=CLASSIC: ComfyPage(chromium, server, mode, {"viewport": VIEWPORT})


@pytest.fixture(scope="session")
def open_page(chromium, server):
    """Opens the page; the caller closes it."""
    return lambda mode, **screen: ComfyPage(chromium, server, mode, screen)


@pytest.fixture
def comfy(open_page, screen, mode):
    """A page of the test's own; the pack must not have led it to a complaint in the end."""
    page = open_page(mode, **screen)
    yield page
    page.close()
    assert page.complaints() == []


@pytest.fixture(scope="module")
def used_pages(open_page):
    pages = {}
    yield pages
    for page in pages.values():
        page.close()


@pytest.fixture
def used(used_pages, open_page, mode):
    """A page that other tests of the module have used, with an empty graph: to open one takes seconds."""
    if mode not in used_pages:
        used_pages[mode] = open_page(mode, viewport=VIEWPORT)
    page = used_pages[mode]
    page.clear()
    yield page
    assert page.complaints() == []
