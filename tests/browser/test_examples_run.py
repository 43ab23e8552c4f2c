"""Every example runs in the page: opened, made short, queued by the page's own button, and told on its nodes."""

import itertools
import json
import re
import time

import pytest
from examples import EXAMPLES, SHORT, STEPS_THAT_ACT
from random_checkpoint import small_checkpoints

pytestmark = pytest.mark.browser
SEEDS = itertools.count(1)
PATIENCE = 300  # seconds for one example
SMALL = {"width": 64, "height": 64}  # and a small UNet; tests/server runs them on one of full size
SHORTEN = """values => {
    for (const widget of app.graph._nodes.flatMap(node => node.widgets ?? []))
        if (widget.name in values) widget.value = values[widget.name];
}"""
FIT = "() => app.extensionManager.command.execute('Comfy.Canvas.FitView')"  # strips out of sight are not drawn
LINES = "() => [...document.querySelectorAll('.sag-strip')].map(strip => strip.textContent)"


@pytest.fixture(scope="module")
def server(serve, tmp_path_factory):
    base = tmp_path_factory.mktemp("base")
    with small_checkpoints(base, "SMALL"), serve(base) as running:
        yield running


@pytest.fixture(scope="module")
def comfy(server, open_page):
    page = open_page(server)
    yield page
    page.close()


def run(comfy, server):
    """What the host says of the run that the page's button started, once it is over."""
    before = server.get("/history").keys()
    comfy.run()
    ends = time.monotonic() + PATIENCE
    while not (new := server.get("/history").keys() - before):
        assert time.monotonic() < ends, "the run did not end"
        time.sleep(0.5)
    return server.wait(new.pop())


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs_shows_its_picture_and_its_nodes_say_on_how_many_steps_they_acted(comfy, server, example):
    comfy.clear()
    comfy.open_file(example)
    comfy.page.evaluate(SHORTEN, {**SHORT, **SMALL, "seed": (seed := next(SEEDS)), "noise_seed": seed})
    comfy.page.evaluate(FIT)
    run(comfy, server)
    saved = next(node["id"] for node in json.loads(example.read_text())["nodes"] if node["type"] == "SaveImage")
    comfy.shown(saved)
    comfy.drawn()
    said = [re.search(r"acted on (\d+) of 2", line) for line in comfy.page.evaluate(LINES)]
    assert sorted(int(found[1]) for found in said if found) == sorted(STEPS_THAT_ACT[example.stem])
    assert comfy.complaints() == []
