"""ComfyUI's page as a user has it: opened, a graph built, values typed, run, saved, read."""

from __future__ import annotations

import io
import itertools
import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote

import pytest
from browser_pages import selectors_of
from comfy_server import ComfyServer
from demo_graph import BASIC, Links, Nodes
from PIL import Image

CLASSIC, NODES_2 = "classic", "Nodes 2.0"
VIEWPORT = {"width": 1600, "height": 1200}
IN_PAGE = Path(__file__).with_name("in_page.js")
CALL = "([name, ...given]) => inPage[name](...given)"
IN_THE_WAY = "[role^=dialog], [role^=alert]"
POPUP = f"{IN_THE_WAY}, [data-testid=error-overlay]"  # the last on newer pages
NUMBERS = itertools.count()
SETTLED = 400  # milliseconds in which a search's answers stay as they are, if they are those to the last letter
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

    def __init__(self, browser, server: ComfyServer, mode: str = CLASSIC, screen: dict | None = None,
                 prepare: Callable = lambda page: None) -> None:  # fmt: skip
        self.browser, self.server, self.mode, self.screen = browser, server, mode, screen or {"viewport": VIEWPORT}
        self.ids: dict[str, int] = {}  # of the nodes that `add` has made
        self.page, self.complained = None, []
        self.open(prepare)

    def open(self, prepare: Callable = lambda page: None) -> None:
        """In a browser that has never been there: the page keeps open workflows, and writes them down as it closes."""
        self.close()
        context = self.browser.new_context(**self.screen)
        context.set_default_timeout(60_000)  # a tenth of that is enough on two idle cores
        context.add_init_script(path=IN_PAGE)
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

    def ask(self, what: str, *given: Any) -> Any:
        """What a function of in_page.js answers."""
        return self.page.evaluate(CALL, [what, *given])

    def wait(self, what: str, *given: Any, **patience: float) -> Any:
        """Until the function answers with something; a handle of that."""
        return self.page.wait_for_function(CALL, arg=[what, *given], **patience)

    def complaints(self) -> list[str]:
        """Those to which the pack has led since the last time that they were asked for."""
        said, self.complained[:] = [*self.complained], []
        return said

    def is_covered(self) -> bool:
        """Whether something that popped up is still in the way."""
        return self.page.locator(IN_THE_WAY).filter(visible=True).count() > 0

    def _loaded(self, before: str | None) -> None:
        """Waits until another workflow than `before` is there, and the view where it belongs."""
        self.wait("hasLoaded", before)
        self.drawn()

    def drawn(self) -> None:
        """Waits until what was changed is to be seen."""
        self.ask("someFrames")

    def clear(self) -> None:
        """With other ids for the nodes to come: some pages keep the values of a node by its id."""
        self.ask("clear", 100 * next(self.cleared))

    def open_file(self, path: Path) -> None:
        """As the menu's "Open" does, once the file has been picked."""
        before = self.ask("workflow")
        self.page.set_input_files("#comfy-file-input", path)
        self._loaded(before)

    def build(self, nodes: Nodes, links: Links) -> None:
        """A graph of these alone."""
        self.clear()
        self.ids = {}
        self.add(nodes, links)

    def add(self, nodes: Nodes, links: Links) -> None:
        slots = [re.split(r"\.| > ", link) for link in links]
        self.ids = self.ask("add", nodes, slots, self.ids)

    def place_by_search(self, name: str, typed: str) -> int:
        """Opens the search on the empty canvas, types, and takes the answer that has this name; on a fresh page.

        Newer ones have the node follow the mouse until the next click.
        """
        self.clear()
        self.open_search()
        self.page.get_by_role("combobox").press_sequentially(typed)
        answer = re.compile(rf"^\s*{re.escape(name)}\s*(sag-delayed-activation\s*)?model_patches")
        self.searched()
        self.page.locator(self.at.found_node).filter(has_text=answer).click()
        self.page.wait_for_function("() => inPage.count() === 1")
        return self.node_id(name)

    def searched(self) -> None:
        """Waits until the answers stay as they are: each letter asks anew, and a click on an old answer is lost."""
        before, now = None, []
        while not now or now != before:
            self.page.wait_for_timeout(SETTLED)
            before, now = now, self.page.locator(self.at.found_node).all_inner_texts()

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
        return json.loads(self.ask("nodes"))

    def node_id(self, kind: str = BASIC) -> int:
        (found,) = (node["id"] for node in self.nodes() if node["type"] == kind)
        return found

    def values(self, node: int | None = None) -> dict[str, float | str]:
        return self.ask("values", node or self.node_id())

    def values_of(self, name: str, *widgets: str) -> list[float | str]:
        """Those of a node of `add`, in this order."""
        shown = self.values(self.ids[name])
        return [shown[widget] for widget in widgets]

    def type_value(self, name: str, value: float | str, node: int | None = None) -> None:
        """A click on the widget, the value, Enter."""
        if self.mode == NODES_2:
            if not self.at.decimals:
                pytest.skip("this page takes no decimal point in Nodes 2.0")
            self._type_into(self.widget(name, node), value)
            return
        self.page.mouse.click(*self.ask("widgetPlace", node or self.node_id(), name))
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
        self.ask("unfold", self.ids[name])
        self.drawn()

    def set_value(self, name: str, widget: str, value: float | str) -> None:
        """Of a node of `add`, as a script does it: without a word to anybody."""
        self.ask("setValue", self.ids[name], widget, value)
        self.drawn()

    def zoom(self, scale: float) -> None:
        self.ask("zoom", scale)
        self.drawn()

    def save(self, name: str) -> str:
        """Under a name of its own, which begins with this one."""
        name = f"{name} {next(NUMBERS)}"
        self.ask("command", "Comfy.SaveWorkflowAs")  # Control+s asks for no name where the workflow has one
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
        before = self.ask("workflow")
        self.page.locator(self.at.saved_workflow % name).click()
        self._loaded(before)
        workflows.click()  # or they would lie over the canvas

    def tooltip(self, name: str, node: int | None = None) -> str:
        """What the page shows while the mouse rests on the widget; the canvas must be empty at (200, 700)."""
        x, y = self.ask("widgetPlace", node or self.node_id(), name)
        self.page.mouse.move(x - 3, y)
        self.page.mouse.move(x, y)
        shown = self.page.locator(".node-tooltip")
        shown.wait_for(state="visible")
        text = shown.inner_text()
        self.page.mouse.move(200, 700)
        shown.wait_for(state="hidden")  # or it would lie over what is clicked next
        return text

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
        return self.wait("pictures", node, timeout=120_000).json_value()

    def colours(self, name: str) -> set[tuple[int, int, int]]:
        """All that are to be seen on a node of `add`."""
        self.drawn()
        seen = self.page.screenshot(clip=self.area(self.ids[name]))
        picture = Image.open(io.BytesIO(seen)).convert("RGB")
        return {colour for _, colour in picture.getcolors(picture.width * picture.height)}

    def area(self, node: int) -> dict[str, float]:
        """x, y, width and height in the page, without the title above."""
        return self.ask("area", node)

    def outline(self, node: int) -> str | None:
        """The colour around a node in which something went wrong or that runs."""
        return self.ask("outline", node)

    def watch_for_popups(self) -> None:
        self.ask("watchForPopups", POPUP)

    def popups(self) -> list[str]:
        """The texts of all dialogs and toasts since `watch_for_popups`."""
        return self.ask("popups")

    def prompt(self) -> dict:
        """The API workflow that the page would queue."""
        return json.loads(self.ask("prompt"))
