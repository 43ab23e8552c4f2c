"""The strip on a SAG node, as a user sees and drags it, and what the server tells it of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from comfy_page import ComfyPage
from demo_graph import sampled, window

from sag_delayed_activation.sag_core import SigmaWindow
from sag_delayed_activation.sampling.page import RUN_ENDED, details
from sag_delayed_activation.sampling.run_log import RunLog
from sag_delayed_activation.sampling.sentences import Phrase

NOT_RUN = Phrase.of("promptNotRun", role=Phrase("negative"))


class Strip:
    """That of a node which `comfy.add` has made, by its name there."""

    def __init__(self, comfy: ComfyPage, name: str) -> None:
        self.comfy, self.name = comfy, name

    @property
    def id(self) -> int:
        return self.comfy.ids[self.name]

    def element(self):
        """Once it is drawn; asked for anew each time, since undo makes nodes anew."""
        return self.comfy.wait("drawnStrip", self.id).as_element()

    def line(self) -> str:
        """The text below the curve."""
        self.element()
        return self.comfy.ask("line", self.id)

    def seen(self) -> dict:
        """What one sees where the node is: window, curve, grips and line, be they the node's or a removed one's."""
        self.element()
        return self.comfy.wait("look", self.id).json_value()

    def waits_for(self, text: str) -> None:
        """Until the line below the curve holds this."""
        self.comfy.wait("says", self.id, text)

    def middles(self, selector: str) -> list[tuple[float, float]]:
        """Where the middles of these are in the page, from left to right."""
        self.element()
        return sorted(map(tuple, self.comfy.ask("middles", self.id, selector)))

    def counts(self, *states: str) -> list[int]:
        """How many steps are drawn in each of these states."""
        return [len(self.middles(f".sag-{state}")) for state in states]

    def between_steps(self, step: int) -> float:
        """x in the page, between this step and the one before."""
        (left, _), (right, _) = self.middles("circle[class]")[step - 1 : step + 1]
        return (left + right) / 2

    def tick(self, text: str) -> float:
        self.element()
        return self.comfy.ask("middles", self.id, "text")[self.comfy.ask("texts", self.id).index(text)][0]

    def grip(self, label: str):
        return self.element().query_selector(f'[role=slider][aria-label="{label}"]')

    def can_be_dragged(self) -> bool:
        return any(grip.is_visible() for grip in self.element().query_selector_all("[role=slider]"))

    def drag(self, label: str, to: Callable[[], float]) -> None:
        """`to` says where, once the grip stands still."""
        looks = (self.comfy.ask("withinReach", self.id, label) for _ in range(100))
        place = next(filter(None, looks))
        x, mouse = to(), self.comfy.page.mouse
        mouse.move(*place)
        mouse.down()
        mouse.move((place[0] + x) / 2, place[1] + 3)
        mouse.move(x, place[1])
        mouse.up()
        self.comfy.drawn()

    def knob(self, label: str) -> tuple[float, float]:
        """The middle of a grip's knob, which it has for itself where two grips meet."""
        return self.middles(f'[role=slider][aria-label="{label}"] circle')[0]

    def shade(self) -> tuple[float, float]:
        """The middle of the shade."""
        return self.middles("svg > rect")[0]

    def pull(self, place: tuple[float, float], by: float) -> None:
        """With the mouse, from a place in the page to the right by so many pixels."""
        with self.pulling(place, by):
            pass

    @contextmanager
    def pulling(self, place: tuple[float, float], by: float) -> Iterator[None]:
        """The button is still down meanwhile."""
        (x, y), mouse = place, self.comfy.page.mouse
        mouse.move(x, y)
        mouse.down()
        mouse.move(x + by, y, steps=4)
        self.comfy.drawn()
        yield
        mouse.up()
        self.comfy.drawn()

    def told(self) -> list[str]:
        """What stands beside the grips."""
        self.comfy.drawn()
        return self.comfy.ask("told", self.id)

    def choose(self, preset: str) -> None:
        """By mouse, from the small menu."""
        for selector in ("[aria-haspopup=menu]", f'[role=menuitem]:text-is("{preset}")'):
            box = self.element().wait_for_selector(selector).bounding_box()
            self.comfy.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        self.comfy.drawn()

    def key(self, label: str, *keys: str) -> None:
        self.grip(label).focus()
        for key in keys:
            self.comfy.page.keyboard.press(key)
        self.comfy.drawn()


def window_of_20_steps(comfy: ComfyPage) -> Strip:
    """A model and the sigma window alone; its strip."""
    nodes, links = window(steps=20)
    comfy.build({"model": sampled()[0]["model"], "window": nodes["window"], "plot": nodes["plot"]},
                [link for link in links if "> sag." not in link])  # fmt: skip
    return Strip(comfy, "window")


def tell(comfy: ComfyPage, sigmas: Sequence[float], acted: Sequence[int], skipped: Sequence[int] = (),
         start: float = 15.0, end: float = 0.0, reason: Phrase = NOT_RUN, **more: Any) -> None:  # fmt: skip
    """Sends what the server tells of a run of the SAG node."""
    why = {place: reason for place in skipped}
    log = RunLog(SigmaWindow(start, end), sigmas=[*sigmas], acted=[*acted], skipped=why)  # warns if it never acted
    run = {"node": str(comfy.ids["sag"]), "text": log.text(), **details(log), **more}
    comfy.server.post("/page_events", {"event": RUN_ENDED, "data": run})
