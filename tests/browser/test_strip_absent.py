"""A strip that is folded, switched off or broken takes nothing else with it, and none leaves a trace in a prompt."""

import json

import pytest
from demo_graph import ADVANCED, sampled, window
from page_strip import Strip

pytestmark = [pytest.mark.browser, pytest.mark.own_page]
in_both_modes = pytest.mark.parametrize("mode", ["classic", "Nodes 2.0"])
JS = "/extensions/sag-delayed-activation/js"


@pytest.fixture
def setting(server):
    """Sets one of the pack's for the pages that are opened from now on; in the end all are as usual."""
    yield lambda name, value: server.post("/settings", {f"SAG delayed activation.{name}": value})
    server.post("/settings", {"SAG delayed activation.Folded": False, "SAG delayed activation.Strips": True})


@in_both_modes
def test_the_strip_of_a_sag_node_folds_away_and_stays_so(fresh, setting):
    fresh.build(*sampled())
    guide = Strip(fresh, "sag")
    guide.element()
    height = fresh.area(guide.id)["height"]
    guide.element().query_selector("button").click()
    fresh.wait("isFolded", guide.id)
    fresh.drawn()
    assert fresh.area(guide.id)["height"] < height - 50
    fresh.page.wait_for_function("""async () =>
        (await (await fetch("/api/settings")).json())["SAG delayed activation.Folded"]""")
    fresh.open()
    fresh.build(*sampled())
    assert guide.line() and not guide.element().query_selector("svg").is_visible()


@pytest.fixture
def switched_off(setting):
    setting("Strips", False)


def test_a_setting_of_the_page_switches_the_strips_off(switched_off, fresh):
    fresh.build(*sampled())
    fresh.add(*window(steps=4))
    assert not fresh.page.locator(".sag-strip").count()
    assert fresh.page.evaluate("app.extensionManager.setting.get('SAG delayed activation.Strips')") is False


def test_on_a_page_that_hands_out_no_settings_the_strip_is_there_and_folds(fresh):
    fresh.page.evaluate("() => { app.extensionManager = undefined; }")
    fresh.build(*sampled())
    guide = Strip(fresh, "sag")
    for _ in range(2):
        guide.element().query_selector("button").click()
        fresh.wait("isFolded", guide.id)
        guide.element().query_selector("button").click()
        fresh.page.wait_for_function("id => !inPage.isFolded(id)", arg=guide.id)


def made(comfy, nodes, links):
    """The prompt and the saved workflow of a graph, the workflow without the nodes' sizes."""
    comfy.build(nodes, links)
    return comfy.prompt(), json.dumps([{k: v for k, v in node.items() if k != "size"} for node in comfy.nodes()])


@pytest.fixture
def without_scripts(open_page, server, mode):
    """The page as it is without the pack's scripts."""

    def leave_out(route):
        route.fulfill(json=[path for path in route.fetch().json() if not path.startswith(JS)])

    page = open_page(server, mode, prepare=lambda page: page.route("**/extensions", leave_out))
    yield page
    page.close()


@in_both_modes
def test_prompts_are_what_they_are_without_the_scripts_and_workflows_too_but_for_sizes(fresh, without_scripts):
    nodes, links = sampled(ADVANCED)
    more, wires = window(steps=4, start=1, end=3)
    graph = {**nodes, **more}, [*links, *wires]
    assert made(without_scripts, *graph) == made(fresh, *graph)
    assert fresh.page.locator(".sag-strip").count() == 2
    assert not without_scripts.page.locator(".sag-strip").count()


@pytest.mark.parametrize("fault", [
    "LiteGraph.LGraphNode.prototype.addDOMWidget = () => { throw new Error('on purpose') }",
    "Element.prototype.replaceChildren = () => { throw new Error('on purpose') }",
], ids=["as the strip is made", "as it is drawn"])  # fmt: skip
def test_a_fault_in_the_strip_is_told_once_and_leaves_the_node_working(fresh, fault):
    fresh.page.evaluate(f"() => {{ {fault} }}")
    fresh.build(*sampled())
    fresh.run()
    assert fresh.pictures("shown")
    fresh.page.reload()
    (told,) = fresh.complaints()
    assert "a strip is not shown" in told and "on purpose" in told
