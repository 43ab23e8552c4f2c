"""Every example opens from the template browser, complete, and the server takes it."""

import json
from itertools import combinations

import pytest
from comfy_server import ServerProblem
from examples import EXAMPLES, api_prompt

pytestmark = pytest.mark.browser
MISSING = "() => app.graph._nodes.filter(n => !LiteGraph.registered_node_types[n.type]).map(n => n.type)"


@pytest.fixture(scope="module", autouse=True)
def no_page_is_left(used_pages):
    """A newer one goes on saying that the checkpoint is missing."""
    yield
    while used_pages:
        used_pages.popitem()[1].close()


@pytest.fixture(params=EXAMPLES, ids=lambda path: path.stem)
def example(request):
    return request.param


def complaints(server, prompt):
    """(node class, input, what is wrong) for all that the server refuses in `prompt`."""
    with pytest.raises(ServerProblem) as refused:
        server.queue(prompt)
    nodes = json.loads(str(refused.value))["node_errors"].values()
    return {(n["class_type"], e["extra_info"].get("input_name"), e["type"]) for n in nodes for e in n["errors"]}


def test_each_example_opens_from_the_template_browser_without_missing_nodes(comfy, example):
    comfy.page.get_by_role("button", name="Templates").click()
    comfy.page.get_by_role("dialog").get_by_placeholder("Search").fill(example.stem)
    comfy.page.get_by_role("dialog").get_by_text(example.stem, exact=True).first.click()
    comfy.page.wait_for_function("() => app.graph._nodes.length > 0")
    opened = sorted(node["type"] for node in comfy.nodes())
    assert opened == sorted(node["type"] for node in json.loads(example.read_text())["nodes"])
    assert comfy.page.evaluate(MISSING) == []


def test_the_server_refuses_nothing_in_an_example_but_the_checkpoint_it_lacks(comfy, server, example):
    comfy.open_file(example)
    assert complaints(server, comfy.prompt()) == {("CheckpointLoaderSimple", "ckpt_name", "value_not_in_list")}


def test_each_example_is_saved_as_it_was_opened(comfy, example):
    """It is in the page's own format, with every value where the page looks for it."""
    comfy.open_file(example)
    wanted = {node["id"]: node.get("widgets_values", []) for node in json.loads(example.read_text())["nodes"]}
    assert {node["id"]: node.get("widgets_values", []) for node in comfy.nodes()} == wanted


def test_the_page_queues_what_the_servers_tests_take_it_to_queue(comfy, server, example):
    comfy.open_file(example)
    queued = {key: {part: node[part] for part in ("class_type", "inputs")} for key, node in comfy.prompt().items()}
    assert queued == api_prompt(json.loads(example.read_text()), server.get("/object_info"))


# Left, top, right and bottom of each node with its title, in the graph's own units.
AREAS = """() => Object.fromEntries(app.graph._nodes.map(node => {
    const drawn = document.querySelector(`[data-node-id="${node.id}"]`);  // in Nodes 2.0, higher than it says itself
    const [left, top] = [node.pos[0], node.pos[1] - LiteGraph.NODE_TITLE_HEIGHT];
    const width = drawn?.offsetWidth ?? node.size[0];
    const height = drawn?.offsetHeight ?? node.size[1] + LiteGraph.NODE_TITLE_HEIGHT;
    return [`${node.id} ${node.type}`, [left, top, left + width, top + height]];
}))"""
SEE_ALL = """() => {
    app.canvas.ds.scale = 0.4;
    app.canvas.ds.offset = [100, 100];
    app.canvas.draw(true, true);
}"""
ALL_DRAWN = """mode => mode === "classic"
    || app.graph._nodes.every(node => document.querySelector(`[data-node-id="${node.id}"]`)?.offsetHeight)"""


@pytest.mark.parametrize("mode", ["classic", "Nodes 2.0"])
def test_no_node_of_an_example_lies_over_another(comfy, example, mode):
    comfy.open_file(example)
    comfy.page.evaluate(SEE_ALL)
    comfy.page.wait_for_function(ALL_DRAWN, arg=mode)
    comfy.drawn()
    areas = comfy.page.evaluate(AREAS).items()
    assert not [
        (a, b)
        for (a, one), (b, other) in combinations(areas, 2)
        if one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
    ]
