"""The nodes as a user meets them: found, read, set, run, saved, loaded, refused."""

import json
from urllib.parse import quote

import pytest
from demo_graph import ADVANCED, BASIC, PREVIEW, WINDOW, preview, sampled

pytestmark = [pytest.mark.browser, pytest.mark.own_page]
in_both_modes = pytest.mark.parametrize("mode", ["classic", "Nodes 2.0"])


def ancestors_workflow(widgets_values):
    """As ComfyUI-AutomaticCFG's node was saved, cut down to the node alone."""
    node = {
        "id": 7, "type": BASIC, "pos": [500, 300], "size": {"0": 315, "1": 130}, "flags": {}, "order": 0, "mode": 0,
        "inputs": [{"name": "model", "type": "MODEL", "link": None}],
        "outputs": [{"name": "MODEL", "type": "MODEL", "links": None, "shape": 3}],
        "properties": {"Node name for S&R": BASIC}, "widgets_values": widgets_values,
    }  # fmt: skip
    graph = {"last_node_id": 7, "last_link_id": 0, "nodes": [node], "links": [], "groups": [], "config": {}}
    return graph | {"extra": {}, "version": 0.4}


def inputs(server, kind):
    """Name to type and options, of all inputs, as /object_info says them."""
    declared = server.get(f"/object_info/{quote(kind)}")[kind]["input"]
    return declared["required"] | declared.get("optional", {})


def defaults(server, kind):
    """Of the inputs that are widgets: the declared one, or the first of a list."""
    declared = inputs(server, kind).items()
    widgets = {name: (of, options) for name, (of, options) in declared if of not in ("MODEL", "LATENT", "IMAGE")}
    return {n: options["default"] if "default" in options else of[0] for n, (of, options) in widgets.items()}


@pytest.mark.parametrize("kind", [BASIC, ADVANCED, WINDOW, PREVIEW])
def test_searched_by_its_name_it_is_placed_with_its_defaults(fresh, server, kind):
    node = fresh.place_by_search(kind, kind.lower())
    assert fresh.values(node) == defaults(server, kind)


@pytest.fixture
def host_with_aliases(server):
    if "search_aliases" not in server.get(f"/object_info/{quote(BASIC)}")[BASIC]:
        pytest.skip("this host's /object_info carries no aliases")


@pytest.mark.parametrize(
    "kind, alias",
    [(BASIC, "attention guidance"), (ADVANCED, "SAG fade"), (WINDOW, "percent to sigma"), (PREVIEW, "show attention")],
)
def test_searched_by_an_alias_it_is_found(host_with_aliases, fresh, kind, alias):
    assert fresh.place_by_search(kind, alias)


@pytest.mark.parametrize("kind", [BASIC, ADVANCED])
def test_hovering_an_input_shows_its_tooltip_as_written(comfy, server, kind):
    comfy.build(*sampled(kind))
    comfy.unfold("sag")
    declared = inputs(server, kind)
    for name in defaults(server, kind):
        assert comfy.tooltip(name, comfy.ids["sag"]) == declared[name][1]["tooltip"]


@in_both_modes
def test_a_typed_value_stays_and_is_queued_to_the_hundredth(comfy):
    comfy.build(*sampled())
    typed = {"scale": 0.28, "blur_sigma": 1.99, "sigma_start": 999.99, "sigma_end": 0.01}
    for name, value in typed.items():
        comfy.type_value(name, value)
    assert comfy.values() == typed
    queued = comfy.prompt()[str(comfy.node_id())]["inputs"]
    assert {name: queued[name] for name in typed} == typed


@in_both_modes
@pytest.mark.parametrize("window, calls", [((15.0, 0.0), 4), ((0.01, 0.0), 2)], ids=["every step", "no step"])
def test_a_run_ends_in_pictures_and_makes_one_more_unet_call_per_step_in_the_window(comfy, server, mode, window, calls):
    comfy.build(*sampled(sigma_start=window[0], sigma_end=window[1]))
    before = server.get("/unet_calls")
    comfy.run()
    assert comfy.pictures("shown") == [[28, 28]] * (10 if mode == "classic" else comfy.at.pictures)
    assert server.get("/unet_calls") - before == calls


@in_both_modes
def test_nothing_pops_up_during_a_run(comfy):
    comfy.build(*sampled())
    comfy.add(*preview())
    comfy.watch_for_popups()
    comfy.run()
    assert comfy.pictures("preview") and comfy.pictures("shown")
    assert comfy.popups() == []


@in_both_modes
def test_saved_values_are_there_after_the_page_is_opened_anew(comfy, server):
    comfy.build(*sampled())
    wanted = {"scale": 0.28, "blur_sigma": 1.5, "sigma_start": 4.09, "sigma_end": 0.7}
    for name, value in wanted.items():
        comfy.type_value(name, value)
    name = comfy.save("kept")
    (node,) = (node for node in comfy.saved(name)["nodes"] if node["type"] == BASIC)
    assert node["widgets_values"] == list(wanted.values())
    comfy.open_saved(name)
    assert comfy.values() == wanted


@in_both_modes
@pytest.mark.parametrize("extra", [[], [True]], ids=["without auto_scale", "with auto_scale"])
def test_the_ancestors_saved_workflow_opens_with_its_values(comfy, tmp_path, extra):
    saved = tmp_path / f"ancestor with {len(extra)} more.json"  # a name that the page has not open
    saved.write_text(json.dumps(ancestors_workflow([0.7, 2.5, 14.0, 1.0, *extra])))
    comfy.open_file(saved)
    wanted = {"scale": 0.7, "blur_sigma": 2.5, "sigma_start": 14.0, "sigma_end": 1.0}
    assert comfy.values() == comfy.prompt()["7"]["inputs"] == wanted
    assert not comfy.page.get_by_role("dialog").count()


@in_both_modes
def test_a_refused_window_is_named_on_the_page_and_outlined_on_the_node(fresh):
    fresh.build(*sampled(sigma_start=1.0, sigma_end=2.0))
    fresh.watch_for_popups()
    assert fresh.outline(fresh.ids["sag"]) is None
    fresh.run()
    fresh.refusal("sigma_start must not be below sigma_end, got sigma_start=1.0, sigma_end=2.0")
    assert fresh.outline(fresh.ids["sag"]) == fresh.at.refused_outline
    assert fresh.popups()  # so that their absence in a good run says something
