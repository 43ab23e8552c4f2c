"""The window on a strip is dragged, moved by keys, typed and saved."""

import pytest
from demo_graph import ADVANCED, BASIC, sampled, window
from page_strip import Strip

pytestmark = [pytest.mark.browser, pytest.mark.own_page]
in_both_modes = pytest.mark.parametrize("mode", ["classic", "Nodes 2.0"])


@in_both_modes
@pytest.mark.parametrize("zoom", [1, 0.5])
def test_dragging_the_grips_sets_the_steps_of_the_sigma_window(comfy, find, zoom):
    comfy.zoom(zoom)
    before = comfy.area(find.id)
    find.drag("start", lambda: find.between_steps(8))
    find.drag("end", lambda: find.between_steps(15))
    assert comfy.values_of("window", "start", "end") == [8, 15]
    assert comfy.area(find.id) == before
    assert "steps 8 to 14 of 20: 7 extra calls, sigma" in find.line()
    assert find.counts("lit", "idle") == [7, 13]


@in_both_modes
@pytest.mark.parametrize("kind, zoom", [(BASIC, 1), (ADVANCED, 0.5)])
def test_dragging_the_grips_sets_the_sigmas_of_the_sag_nodes(comfy, kind, zoom):
    comfy.build(*sampled(kind))
    strip = Strip(comfy, "sag")
    comfy.zoom(zoom)
    assert strip.line() == "a guess until it has run: 2 of 2 steps inside, sigma 15 to 0"
    strip.drag("sigma_start", lambda: strip.tick("5"))
    strip.drag("sigma_end", lambda: strip.tick("0.5"))
    start, end = comfy.values_of("sag", "sigma_start", "sigma_end")
    assert start == pytest.approx(5, rel=0.1) and end == pytest.approx(0.5, rel=0.1)
    assert [start, end] == [round(start, 2), round(end, 2)]


@in_both_modes
def test_what_was_dragged_is_saved_as_values_alone_and_is_there_when_it_is_opened_anew(comfy):
    nodes, _ = sampled()
    comfy.build({"sag": nodes["sag"], "more": (ADVANCED, (720, 160), {}), "window": window(steps=20)[0]["window"]}, [])
    sag, more, find = (Strip(comfy, name) for name in ("sag", "more", "window"))
    sag.drag("sigma_start", lambda: sag.tick("5"))
    more.drag("sigma_start", lambda: more.tick("2"))
    find.drag("start", lambda: find.between_steps(3))
    (start,), (other,) = (comfy.values_of(name, "sigma_start") for name in ("sag", "more"))
    assert other < start < 15
    name = comfy.save("dragged")
    saved = {str(node["id"]): node["widgets_values"] for node in comfy.saved(name)["nodes"]}
    of = {name: saved[str(id)] for name, id in comfy.ids.items()}
    assert of["sag"] == [0.5, 2, start, 0] and of["more"][2:4] == [other, 0]
    assert of["window"] == ["custom", "step", 3, 10000, "normal", 20, 1, "euler"]
    comfy.open_saved(name)
    assert {str(node["id"]): node["widgets_values"] for node in comfy.nodes()} == saved
    find.waits_for("steps 3 to 19 of 20")


@in_both_modes
def test_a_drag_is_one_step_of_undo_and_so_is_a_key(comfy, find):
    comfy.wait("willUndoTo", find.id)
    find.drag("start", lambda: find.between_steps(8))
    find.key("start", "ArrowRight")
    assert comfy.values_of("window", "start") == [9]
    for start in (8, 0):
        comfy.ask("undo")
        assert comfy.values_of("window", "start") == [start]


@in_both_modes
def test_the_grips_are_sliders_that_say_where_they_are(comfy, find):
    said = [find.grip(label).get_attribute("aria-valuetext") for label in ("start", "end")]
    assert said == ["step 0", "to the end"]
    find.key("start", "ArrowRight", "ArrowRight", "ArrowUp", "ArrowLeft")
    find.key("end", "ArrowLeft")
    assert comfy.values_of("window", "start", "end") == [2, 19]
    assert find.grip("start").get_attribute("aria-valuetext") == "step 2"
    find.key("start", "End")
    assert comfy.values_of("window", "start") == [18]
    find.key("end", "End")
    assert comfy.values_of("window", "end") == [10000]
    assert "steps 18 to 19 of 20, to the end: 2 extra calls" in find.line()


def test_keys_that_come_faster_than_the_page_draws_all_count(comfy, find):
    find.element()
    comfy.ask("pressAtOnce", find.id, "start", ["ArrowRight"] * 3)
    assert comfy.values_of("window", "start") == [3]


def test_a_typed_value_moves_its_grip(comfy, find):
    place = find.middles("[role=slider]")[0][0]
    comfy.type_value("start", 10, find.id)
    find.waits_for("steps 10 to 19")
    assert find.middles("[role=slider]")[0][0] > place + 50


def test_in_percent_it_sets_hundredths_of_the_way(comfy, find):
    comfy.set_value("window", "unit", "percent")
    comfy.set_value("window", "end", 1)
    find.drag("start", lambda: find.between_steps(10))
    (start,) = comfy.values_of("window", "start")
    assert start == round(start, 2) and 0.4 < start < 0.6
    find.key("start", "ArrowLeft", "ArrowLeft")
    assert 0 < comfy.values_of("window", "start")[0] < start
