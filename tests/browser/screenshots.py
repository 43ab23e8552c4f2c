"""Makes the README's pictures of the page: `python dev.py screenshots`. By its name no other command collects it."""

import io
from pathlib import Path

import pytest
from demo_graph import preview, sampled, window
from PIL import Image

pytestmark = pytest.mark.browser
DOCS = Path(__file__).parents[2] / "docs"
MOST_BYTES = 150_000
FINER = 2  # for sharp text on a screen of two pixels a point
MARGIN, TITLE = 16, 30  # around the nodes, points; a node's title stands above its place
COLOURS = 192  # of the palette, enough for gray pictures and the page's few colours
ARRANGE = """([places, ids]) => {
    app.canvas.ds.reset();
    app.canvas.deselectAll();
    for (const node of app.graph._nodes) node.pos = [5000, 5000];  // out of the picture
    for (const [name, [x, y, width, height]] of Object.entries(places)) {
        const node = app.graph.getNodeById(ids[name]);
        node.pos = [x, y];
        node.setSize([width, Math.max(height, node.computeSize()[1])]);
    }
    app.canvas.draw(true, true);
    return Object.keys(places).map(name => ids[name]);
}"""


@pytest.fixture
def screen():
    """Roomy, so that the page's own bars lie beside the nodes."""
    return {"viewport": {"width": 1500, "height": 1000}, "device_scale_factor": FINER}


def shoot(comfy, name, places):
    """The nodes at their places (x, y, width, height), and what they show, as docs/<name>.png."""
    nodes = comfy.page.evaluate(ARRANGE, [places, comfy.ids])
    comfy.page.mouse.move(5, 5)  # or what is under it would be lit
    comfy.drawn()
    areas = [comfy.area(node) for node in nodes]
    left, top = min(a["x"] for a in areas) - MARGIN, min(a["y"] for a in areas) - TITLE - MARGIN
    right = max(a["x"] + a["width"] for a in areas) + MARGIN
    bottom = max(a["y"] + a["height"] for a in areas) + MARGIN
    clip = {"x": left, "y": top, "width": right - left, "height": bottom - top}
    picture = Image.open(io.BytesIO(comfy.page.screenshot(clip=clip))).convert("RGB")
    picture.quantize(COLOURS, dither=Image.Dither.NONE).save(DOCS / f"{name}.png", optimize=True)
    assert (DOCS / f"{name}.png").stat().st_size < MOST_BYTES


def test_the_graph_with_its_finished_pictures(comfy):
    comfy.build(*sampled(steps=20, scale=1.5, sigma_start=2.0))
    comfy.run()
    comfy.pictures("shown")
    shoot(comfy, "graph", {
        "model": (100, 150, 180, 70), "latent": (100, 290, 180, 30), "sag": (300, 150, 240, 130),
        "sampler": (560, 150, 240, 260), "image": (300, 350, 240, 30), "shown": (820, 150, 230, 260),
    })  # fmt: skip


def test_the_sigma_window_with_its_plot(comfy):
    comfy.build({name: node for name, node in sampled()[0].items() if name in ("model", "sag")},
                ["model.model > sag.model"])  # fmt: skip
    comfy.add(*window(steps=20, start=8, end=16))
    comfy.run()
    comfy.pictures("plot")
    shoot(comfy, "sigma_window", {
        "model": (100, 150, 180, 70), "window": (300, 150, 270, 300), "sag": (590, 150, 270, 130),
        "plot": (590, 340, 440, 370),
    })  # fmt: skip


def test_the_mask_preview_with_its_tiles(comfy):
    comfy.build(*sampled(steps=8, scale=1.5, sigma_start=5.0))
    comfy.add(*preview())
    comfy.run()
    comfy.pictures("preview")
    shoot(comfy, "mask_preview", {"preview": (100, 150, 860, 700)})
