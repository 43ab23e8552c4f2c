"""What the nodes draw, seen in the page: the sigma window's plot and the mask preview's tiles."""

import pytest
from demo_graph import PREVIEW, preview, sampled, window
from PIL import ImageColor

from sag_delayed_activation.pictures.canvas import PAPER, WINDOW

pytestmark = pytest.mark.browser


def test_the_window_wired_into_the_node_guides_its_steps_and_its_plot_is_seen(comfy, server):
    comfy.build(*sampled(steps=4))
    comfy.add(*window(steps=4, start=1, end=3))
    before = server.get("/unet_calls")
    comfy.run()
    assert comfy.pictures("plot") == [[1024, 768]] and comfy.pictures("shown")
    assert ImageColor.getrgb(WINDOW) in comfy.colours("plot")
    assert server.get("/unet_calls") - before == 4 + 2


def test_the_preview_shows_one_tile_for_each_step_on_the_node_itself(comfy):
    comfy.build(*sampled(steps=3))
    comfy.add(*preview())
    assert ImageColor.getrgb(PAPER) not in comfy.colours("preview")
    comfy.run()
    assert len(comfy.pictures("preview")) == 3
    assert ImageColor.getrgb(PAPER) in comfy.colours("preview")


@pytest.mark.own_page
@pytest.mark.parametrize("mode", ["classic", "Nodes 2.0"])
def test_a_click_on_a_tile_shows_it_large(comfy, mode):
    """As the page does with any pictures of a node; an older one shows one of them large at once."""
    comfy.build(*sampled(steps=4))
    comfy.add({"preview": (PREVIEW, (100, 400), {})}, preview()[1])
    comfy.run()
    comfy.pictures("preview")
    tile = comfy.ids["preview"]
    if mode == "classic" or comfy.at.pictures > 1:
        assert not comfy.ask("isLarge", tile)
        mouse = comfy.page.mouse
        mouse.move(*comfy.ask("firstPicture", tile))
        for press in (mouse.down, mouse.up):
            comfy.drawn()
            press()
    comfy.wait("isLarge", tile)


def test_a_preview_added_to_a_finished_graph_shows_the_last_run_without_sampling_again(comfy, server):
    comfy.build(*sampled())
    comfy.run()
    comfy.pictures("shown")
    sampled_once = server.get("/unet_calls")
    comfy.add(*preview())
    comfy.run()
    assert len(comfy.pictures("preview")) == 2
    assert server.get("/unet_calls") == sampled_once


@pytest.mark.parametrize("mode", ["classic", "Nodes 2.0"])
def test_the_mask_preview_is_born_at_a_size_at_which_a_tile_can_be_read(comfy):
    comfy.build({"preview": (PREVIEW, (300, 150), {})}, [])
    area = comfy.area(comfy.ids["preview"])
    assert area["width"] >= 400 and area["height"] >= 400
