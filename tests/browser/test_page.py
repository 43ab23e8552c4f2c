"""The node as a user meets it: found, read, set, run, saved, loaded, refused."""

import json
import re

import pytest

pytestmark = pytest.mark.browser
NODE = "SAG delayed activation"
DEFAULTS = {"scale": 0.5, "blur_sigma": 2, "sigma_start": 15, "sigma_end": 0}
# model, node, counter, sampler and the count that the sampler's run gave, wired by slot numbers
DEMO_GRAPH = """settings => {
    app.graph.clear();
    const add = (kind, x, y) => {
        const node = LiteGraph.createNode(kind);
        node.pos = [x, y];
        app.graph.add(node);
        return node;
    };
    const model = add("SAG demo: model", 100, 200), latent = add("SAG demo: latent", 100, 400);
    const sag = add("SAG delayed activation", 350, 200), count = add("SAG demo: count", 700, 200);
    const sampler = add("KSampler", 700, 330), calls = add("SAG demo: calls", 1050, 200);
    model.connect(0, sag, 0); sag.connect(0, count, 0); count.connect(0, sampler, 0);
    model.connect(1, sampler, 1); model.connect(2, sampler, 2); latent.connect(0, sampler, 3);
    count.connect(1, calls, 0); sampler.connect(0, calls, 1);
    sampler.widgets.find(widget => widget.name === "steps").value = 2;
    for (const [name, value] of Object.entries(settings))
        sag.widgets.find(widget => widget.name === name).value = value;
    app.canvas.draw(true, true);
}"""
CALLS = "() => Object.values(app.nodeOutputs).find(output => output.calls)?.calls[0]"
OUTLINE = "id => app.graph.getNodeById(id).strokeStyles.nodeError.call(app.graph.getNodeById(id))?.color"


def ancestors_workflow(widgets_values):
    """As ComfyUI-AutomaticCFG's node was saved, cut down to the node alone."""
    node = {
        "id": 7, "type": NODE, "pos": [500, 300], "size": {"0": 315, "1": 130}, "flags": {}, "order": 0, "mode": 0,
        "inputs": [{"name": "model", "type": "MODEL", "link": None}],
        "outputs": [{"name": "MODEL", "type": "MODEL", "links": None, "shape": 3}],
        "properties": {"Node name for S&R": NODE}, "widgets_values": widgets_values,
    }  # fmt: skip
    graph = {"last_node_id": 7, "last_link_id": 0, "nodes": [node], "links": [], "groups": [], "config": {}}
    return graph | {"extra": {}, "version": 0.4}


def test_searched_by_its_name_it_is_placed_with_its_defaults(comfy):
    comfy.clear()
    comfy.page.mouse.dblclick(640, 400)
    comfy.page.get_by_role("combobox").press_sequentially("sag delayed activation")
    comfy.page.get_by_role("option").filter(has_text=re.compile(rf"^\s*{NODE}\s*model_patches")).click()
    comfy.page.wait_for_function("() => app.graph._nodes.length === 1")
    assert comfy.values(comfy.node_id()) == DEFAULTS


def test_hovering_an_input_shows_its_tooltip_as_written(comfy, server):
    comfy.page.evaluate(DEMO_GRAPH, {})
    inputs = server.get("/object_info/SAG%20delayed%20activation")[NODE]["input"]["required"]
    for name in DEFAULTS:
        assert comfy.tooltip(name) == inputs[name][1]["tooltip"]


def test_a_typed_value_stays_and_is_queued_to_the_hundredth(comfy):
    comfy.page.evaluate(DEMO_GRAPH, {})
    typed = {"scale": 0.28, "blur_sigma": 1.99, "sigma_start": 999.99, "sigma_end": 0.01}
    for name, value in typed.items():
        comfy.type_value(name, value)
    assert comfy.values() == typed
    queued = comfy.prompt()[str(comfy.node_id())]["inputs"]
    assert {name: queued[name] for name in typed} == typed


@pytest.mark.parametrize("window, calls", [((15.0, 0.0), 4), ((0.01, 0.0), 2)], ids=["every step", "no step"])
def test_a_run_ends_and_makes_one_more_unet_call_per_step_in_the_window(comfy, window, calls):
    comfy.page.evaluate(DEMO_GRAPH, dict(zip(("sigma_start", "sigma_end"), window, strict=True)))
    comfy.run()
    comfy.page.wait_for_function(CALLS, timeout=120_000)
    assert comfy.page.evaluate(CALLS) == calls


def test_saved_values_are_there_after_the_page_is_opened_anew(comfy, server):
    comfy.page.evaluate(DEMO_GRAPH, {})
    wanted = {"scale": 0.28, "blur_sigma": 1.5, "sigma_start": 4.09, "sigma_end": 0.7}
    for name, value in wanted.items():
        comfy.type_value(name, value)
    comfy.page.keyboard.press("Control+s")
    comfy.page.get_by_role("dialog").get_by_role("textbox").fill("kept")
    comfy.page.keyboard.press("Enter")
    comfy.page.get_by_role("dialog").wait_for(state="hidden")
    saved = server.get("/userdata/workflows%2Fkept.json")
    (node,) = (node for node in saved["nodes"] if node["type"] == NODE)
    assert node["widgets_values"] == list(wanted.values())
    comfy.page.evaluate("() => { localStorage.clear(); sessionStorage.clear(); }")  # only what was saved may remain
    comfy.open()
    comfy.page.get_by_role("button", name="Workflows (w)").click()
    comfy.page.get_by_text("kept.json").click()
    comfy.page.wait_for_function("node => app.graph._nodes.some(n => n.type === node)", arg=NODE)
    assert comfy.values() == wanted


@pytest.mark.parametrize("extra", [[], [True]], ids=["without auto_scale", "with auto_scale"])
def test_the_ancestors_saved_workflow_opens_with_its_values(comfy, tmp_path, extra):
    saved = tmp_path / "ancestor.json"
    saved.write_text(json.dumps(ancestors_workflow([0.7, 2.5, 14.0, 1.0, *extra])))
    comfy.open_file(saved)
    wanted = {"scale": 0.7, "blur_sigma": 2.5, "sigma_start": 14.0, "sigma_end": 1.0}
    assert comfy.values() == comfy.prompt()["7"]["inputs"] == wanted
    assert not comfy.page.get_by_role("dialog").count()


def test_a_refused_window_is_named_on_the_page_and_outlined_on_the_node(comfy):
    comfy.page.evaluate(DEMO_GRAPH, {"sigma_start": 1.0, "sigma_end": 2.0})
    assert comfy.page.evaluate(OUTLINE, comfy.node_id()) is None
    comfy.run()
    shown = comfy.page.get_by_role("dialog").inner_text()
    assert "sigma_start must not be below sigma_end, got sigma_start=1.0, sigma_end=2.0" in shown
    assert comfy.page.evaluate(OUTLINE, comfy.node_id()) == "red"
