"""The advanced node in the page: its settings typed, queued and refused."""

import pytest
from demo_graph import ADVANCED, sampled

pytestmark = [pytest.mark.browser, pytest.mark.own_page]


@pytest.fixture
def advanced(comfy):
    comfy.build(*sampled(ADVANCED))
    comfy.unfold("sag")
    return comfy


@pytest.mark.parametrize("mode", ["classic", "Nodes 2.0"])
def test_what_is_seldom_set_is_folded_away_where_the_page_can(comfy, mode):
    comfy.build(*sampled(ADVANCED))
    comfy.drawn()
    folded = comfy.area(comfy.ids["sag"])["height"]
    comfy.unfold("sag")
    folds = comfy.at.folds and mode == "Nodes 2.0"
    assert (comfy.area(comfy.ids["sag"])["height"] > folded + 6 * 15) == folds


def test_what_is_typed_into_its_optional_inputs_is_queued_as_typed(advanced):
    typed = {"threshold": 0.28, "layer": "u0.0", "rescale": 0.99, "every": 2}
    for name, value in typed.items():
        advanced.type_value(name, value, advanced.ids["sag"])
    queued = advanced.prompt()[str(advanced.ids["sag"])]["inputs"]
    assert {name: queued[name] for name in typed} == typed


@pytest.mark.parametrize("layer", ["middle", "u0.0"])
def test_a_run_ends_in_pictures_whichever_layer_is_typed(advanced, server, layer):
    advanced.type_value("layer", layer, advanced.ids["sag"])
    before = server.get("/unet_calls")
    advanced.run()
    assert advanced.pictures("shown") == [[28, 28]] * 10
    assert server.get("/unet_calls") - before == 4


def failed(page, sentence):
    """Waits until the page says why a node failed."""
    if not page.at.tells_failures:
        pytest.skip("this page shows no failure of a node that an older host tells it of")
    page.refusal(sentence)
    assert page.outline(page.ids["sag"]) == "#f0f"


def test_a_range_of_layers_is_refused_by_name_and_the_node_outlined(fresh):
    fresh.build(*sampled(ADVANCED, layer="d2.2-9"))
    fresh.run()
    failed(fresh, "layer must name one layer, lists and ranges are not read, got 'd2.2-9'")


def test_a_layer_that_the_model_lacks_is_answered_with_those_it_has(fresh):
    fresh.build(*sampled(ADVANCED, layer="d7.3"))
    fresh.run()
    failed(fresh, "no self-attention at layer=d7.3; it has d0.0, d1.0, m0.0, u0.0, u1.0, u2.0")
