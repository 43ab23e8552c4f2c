"""Makes the pictures of README and the examples, of the newest page in Nodes 2.0: `python dev.py screenshots`.

By its name no other command collects it.
"""

import io
from pathlib import Path

import pytest
from demo_graph import ADVANCED, BASIC, WINDOW, preview, sampled, window
from PIL import Image
from random_checkpoint import small_checkpoints

pytestmark = pytest.mark.browser
ROOT = Path(__file__).parents[2]
DOCS, EXAMPLES = ROOT / "docs", ROOT / "example_workflows"
MOST_BYTES = 150_000
THUMBNAIL = 512  # pixels, of both sides: what the template browser shows
FINER = 1.5  # pixels a point, for sharp text in the README's width on any screen
MARGIN, ABOVE = 16, 46  # around the nodes, points; above them stand their titles
AROUND = 60  # the node of a thumbnail
COLOURS = (256, 128)  # of the palette: the most with which the picture is small
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
    const nodes = app.graph._nodes.filter(node => node.type === kind), [left, top] = nodes[0].pos;
    app.canvas.deselectAll();
    app.canvas.ds.scale = 1;
    app.canvas.ds.offset = [500 - left, 250 - top];  // clear of the page's own bars
    app.canvas.draw(true, true);
    return nodes.map(node => node.id);
}"""
SMALL = """() => {
    for (const widget of app.graph._nodes.flatMap(node => node.widgets ?? []))
        if (["width", "height"].includes(widget.name)) widget.value = 64;
}"""
REMOVE = "ids => ids.forEach(id => app.graph.remove(app.graph.getNodeById(id)))"  # their links with them
FIT = "() => app.extensionManager.command.execute('Comfy.Canvas.FitView')"  # strips out of sight are not drawn


@pytest.fixture(scope="module")
def server(serve, tmp_path_factory):
    """Has the examples' checkpoints, small and random: else the page draws a frame around their loader."""
    base = tmp_path_factory.mktemp("base")
    with small_checkpoints(base, "SMALL"), serve(base) as running:
        yield running


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
    for colours in COLOURS:
        few = picture.quantize(colours, Image.Quantize.MAXCOVERAGE, kmeans=1, dither=Image.Dither.NONE)
        few.save(DOCS / f"{name}.png", optimize=True)
        if (DOCS / f"{name}.png").stat().st_size < MOST_BYTES:
            return
    pytest.fail(f"{name}.png is too large")


def run_example(comfy, name, **values):
    """Opened, values set on its SAG node, and run on small pictures, which nothing here shows."""
    comfy.open_file(EXAMPLES / f"{name}.json")
    comfy.ids = {node.get("title", node["type"]): node["id"] for node in comfy.nodes()}
    comfy.page.evaluate(SMALL)
    for widget, value in values.items():
        comfy.set_value(BASIC, widget, value)
    comfy.page.evaluate(FIT)
    comfy.run()
    comfy.pictures("SaveImage")


def test_the_node_with_its_window_and_what_it_said_of_the_run(comfy):
    """What README begins with: as wide as GitHub shows it, so that the strip can be read."""
    run_example(comfy, "SAG basic", sigma_start=1.62)
    comfy.page.evaluate(REMOVE, [comfy.ids[name] for name in ("About this workflow", "VAEDecode", "SaveImage")])
    shoot(comfy, "node", {
        "CheckpointLoaderSimple": (0, 0, 220, 0), BASIC: (240, 0, 350, 0), "KSampler": (610, 0, 230, 262),
        "Positive prompt": (0, 170, 0, 0), "Negative prompt": (0, 220, 0, 0), "EmptyLatentImage": (0, 270, 0, 0),
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
    preview_four(comfy, steps=20, sigma_start=0.8)
    picture = seen(comfy, {"preview": (0, 0, 470, 470)}, square=True).resize((THUMBNAIL, THUMBNAIL))
    picture.save(EXAMPLES / "SAG mask preview.jpg", quality=90)


@pytest.mark.parametrize("example, kind", [
    ("SAG basic", BASIC), ("SAG on SDXL with the advanced node", ADVANCED), ("SAG schedule of two windows", BASIC),
    ("SAG sigma window wired in", WINDOW),
])  # fmt: skip
def test_the_thumbnail_of_an_example(comfy, example, kind):
    """The nodes that it is about, run, among what they are wired to."""
    run_example(comfy, example)
    nodes = comfy.page.evaluate(LOOK_AT, kind)
    comfy.page.mouse.move(5, 5)
    comfy.drawn()
    areas = [comfy.area(node) for node in nodes]
    left, top = min(area["x"] for area in areas), min(area["y"] for area in areas)
    width = max(area["x"] + area["width"] for area in areas) - left
    side = max([width, *(area["height"] for area in areas)]) + 2 * AROUND
    clip = {"x": left - (side - width) / 2, "y": top - AROUND, "width": side, "height": side}
    picture = Image.open(io.BytesIO(comfy.page.screenshot(clip=clip))).convert("RGB").resize((THUMBNAIL, THUMBNAIL))
    picture.save(EXAMPLES / f"{example}.jpg", quality=90)
