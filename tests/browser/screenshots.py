"""Makes the pictures of README and the examples, of the newest page in Nodes 2.0: `python dev.py screenshots`.

By its name no other command collects it.
"""

import io
from pathlib import Path

import pytest
from demo_graph import ADVANCED, BASIC, WINDOW, preview, sampled, window
from PIL import Image

pytestmark = pytest.mark.browser
ROOT = Path(__file__).parents[2]
DOCS, EXAMPLES = ROOT / "docs", ROOT / "example_workflows"
MOST_BYTES = 150_000
THUMBNAIL = 512  # pixels, of both sides: what the template browser shows
FINER = 1.5  # pixels a point, for sharp text in the README's width on any screen
MARGIN, ABOVE = 16, 60  # around the nodes, points; above them stand their titles and badges
COLOURS = 128  # of the palette
ARRANGE = """([places, ids]) => {
    app.canvas.deselectAll();
    app.canvas.ds.scale = 1;
    app.canvas.ds.offset = [350, 200];  // clear of the page's own bars
    for (const node of app.graph._nodes) node.pos = [-5000, 0];  // out of the picture
    for (const [name, [x, y, width, height]] of Object.entries(places)) {
        const node = app.graph.getNodeById(ids[name]);
        node.pos = [x, y];
        if (width) node.setSize([width, Math.max(height, node.computeSize()[1])]);  // what is drawn may be higher
        else node.collapse();
    }
    app.canvas.draw(true, true);
}"""

LOOK_AT = """kind => {
    const node = app.graph._nodes.find(node => node.type === kind), [left, top] = node.pos;
    app.canvas.deselectAll();
    app.canvas.ds.scale = 1;
    app.canvas.ds.offset = [500 - left, 250 - top];  // clear of the page's own bars
    app.canvas.draw(true, true);
    return node.id;
}"""


@pytest.fixture
def comfy(open_page, server):
    """Roomy, so that the page's own bars lie beside the nodes."""
    page = open_page(server, "Nodes 2.0", {"viewport": {"width": 1800, "height": 1200}, "device_scale_factor": FINER})
    yield page
    page.close()


def seen(comfy, places, square=False):
    """A picture of the nodes at their places (x, y, width, height; no width: collapsed), and of what they show."""
    comfy.page.evaluate(ARRANGE, [places, comfy.ids])
    comfy.page.mouse.move(5, 5)  # or what is under it would be lit
    comfy.drawn()
    areas = [comfy.area(comfy.ids[node]) for node, (_, _, width, _) in places.items() if width]
    left, top = min(a["x"] for a in areas) - MARGIN, min(a["y"] for a in areas) - ABOVE
    right = max(a["x"] + a["width"] for a in areas) + MARGIN
    bottom = max(a["y"] + a["height"] for a in areas) + MARGIN
    width, height = right - left, bottom - top
    if square:
        left, width = left - (height - width) / 2, height
    clip = {"x": left, "y": top, "width": width, "height": height}
    return Image.open(io.BytesIO(comfy.page.screenshot(clip=clip))).convert("RGB")


def shoot(comfy, name, places):
    """What `seen` sees, as docs/<name>.png."""
    picture = seen(comfy, places)
    # By coverage: by frequency the many grays would leave no place for the links' colours.
    few = picture.quantize(COLOURS, Image.Quantize.MAXCOVERAGE, kmeans=1, dither=Image.Dither.NONE)
    few.save(DOCS / f"{name}.png", optimize=True)
    assert (DOCS / f"{name}.png").stat().st_size < MOST_BYTES


def test_the_graph_with_its_finished_pictures(comfy):
    nodes, links = sampled(steps=20, scale=1.5, sigma_start=2.0)
    larger = ("ImageScaleBy", (0, 0), {"upscale_method": "bicubic", "scale_by": 8.0})
    links = [*links[:-1], "image.IMAGE > larger.image", "larger.IMAGE > shown.images"]
    comfy.build({**nodes, "larger": larger}, links)
    comfy.run()
    comfy.pictures("shown")
    shoot(comfy, "graph", {
        "model": (0, 0, 225, 70), "latent": (0, 150, 225, 30), "sag": (245, 0, 330, 0), "sampler": (595, 0, 250, 262),
        "image": (865, 0, 0, 0), "larger": (1040, 0, 0, 0), "shown": (865, 50, 340, 0),
    })  # fmt: skip


def test_the_sigma_window_with_its_plot(comfy):
    comfy.build({name: node for name, node in sampled()[0].items() if name in ("model", "sag")},
                ["model.model > sag.model"])  # fmt: skip
    comfy.add(*window(steps=20, start=8, end=16))
    comfy.run()
    comfy.pictures("plot")
    shoot(comfy, "sigma_window", {
        "model": (0, 0, 280, 70), "window": (0, 150, 280, 0), "sag": (330, 0, 440, 0), "plot": (330, 330, 440, 370),
    })  # fmt: skip


def preview_four(comfy, **settings):
    """The mask preview of a batch of four garments, run."""
    nodes, links = sampled(scale=1.5, **settings)
    four = ("LatentFromBatch", (0, 0), {"batch_index": 0, "length": 4})
    links = [link for link in links if not link.startswith("latent.")]
    comfy.build({**nodes, "four": four}, [*links, "latent.LATENT > four.samples", "four.LATENT > sampler.latent_image"])
    comfy.add(*preview())
    comfy.run()
    comfy.pictures("preview")


def test_the_mask_preview_with_its_tiles(comfy):
    preview_four(comfy, steps=8, sigma_start=5.0)
    shoot(comfy, "mask_preview", {"preview": (0, 0, 840, 678)})


def test_the_thumbnail_of_the_mask_preview(comfy):
    preview_four(comfy, steps=20, sigma_start=0.5)
    picture = seen(comfy, {"preview": (0, 0, 470, 470)}, square=True).resize((THUMBNAIL, THUMBNAIL))
    picture.save(EXAMPLES / "SAG mask preview.jpg", quality=90)


@pytest.mark.parametrize("example, kind", [
    ("SAG basic", BASIC), ("SAG on SDXL with the advanced node", ADVANCED), ("SAG schedule of two windows", BASIC),
    ("SAG sigma window wired in", WINDOW),
])  # fmt: skip
def test_the_thumbnail_of_an_example(comfy, example, kind):
    """The node that it is about, among what it is wired to."""
    comfy.open_file(EXAMPLES / f"{example}.json")
    node = comfy.page.evaluate(LOOK_AT, kind)
    comfy.page.mouse.move(5, 5)
    comfy.drawn()
    area = comfy.area(node)
    side = max(area["width"], area["height"]) + 2 * ABOVE
    clip = {"x": area["x"] - (side - area["width"]) / 2, "y": area["y"] - ABOVE, "width": side, "height": side}
    picture = Image.open(io.BytesIO(comfy.page.screenshot(clip=clip))).convert("RGB").resize((THUMBNAIL, THUMBNAIL))
    picture.save(EXAMPLES / f"{example}.jpg", quality=90)
