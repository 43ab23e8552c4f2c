"""What the sigma window shows: a schedule, the steps that its inputs ask for, and their price."""

import re

import pytest
from window_cases import CASES

pytestmark = [pytest.mark.browser, pytest.mark.own_page]
in_both_modes = pytest.mark.parametrize("mode", ["classic", "Nodes 2.0"])
# Whether these are the first two numbers on a node in Nodes 2.0.
SHOWN = """([id, ...values]) => {
    const boxes = [...document.querySelectorAll(`[data-node-id="${id}"] [role=spinbutton]`)];
    return values.every((value, place) => boxes[place]?.value === value);
}"""


@pytest.mark.parametrize("preset, line", [("all", "steps 0 to 19"), ("late", "steps 6 to 19"),
                                          ("interval 0.28 to 5.42", "steps 4 to 17"),
                                          ("last third", "steps 13 to 19")])  # fmt: skip
def test_a_preset_is_shown_and_not_dragged(comfy, find, preset, line):
    comfy.set_value("window", "preset", preset)
    find.waits_for(line)
    assert not find.can_be_dragged()


def test_the_strip_takes_and_refuses_what_the_table_says(comfy, find):
    """The node does the same: tests/host/test_sigma_window.py."""
    find.element()
    defaults = comfy.values(find.id)
    for case in CASES:
        shown = comfy.ask("shownOf", find.id, defaults | case["inputs"])
        line = shown["line"].removeprefix("a guess until it has run: ")
        assert shown["warns"] == ("refused" in case), f"{case}: {line}"
        if "refused" in case:
            assert (line, shown["active"]) == (case["refused"], [])
        else:
            first, last = case["active"]
            assert shown["active"] == list(range(first, last + 1)), f"{case}: {line}"
            assert re.match(rf"steps {first} to {last} of .*: {case['calls']} extra calls?,", line), f"{case}: {line}"


@in_both_modes
def test_what_the_node_will_refuse_stands_there_in_red_until_it_is_mended(comfy, find, mode):
    fine, *_ = comfy.ask("luminances", find.id)
    comfy.set_value("window", "start", 4.5)
    find.waits_for("start must be a whole number where unit is step, got 4.5")
    text, warning, _ = comfy.ask("luminances", find.id)
    assert warning < text == fine and find.counts("lit") == [0]
    find.drag("start", lambda: find.between_steps(8))
    assert "steps 8 to 19 of 20" in find.line() and comfy.ask("luminances", find.id)[1] == text


def test_to_the_end_is_the_same_in_percent_and_can_be_dragged(comfy, find):
    comfy.set_value("window", "unit", "percent")
    assert "steps 0 to 19 of 20, to the end" in find.line()
    assert find.grip("end").get_attribute("aria-valuetext") == "to the end"
    find.drag("end", lambda: find.between_steps(10))
    assert 0.4 < comfy.values_of("window", "end")[0] < 0.6


def test_beside_what_is_no_number_nothing_can_be_dragged(comfy, find):
    """Or the other end would become none, too."""
    comfy.set_value("window", "start", "abc")
    find.waits_for("start must be a finite number, got 'abc'")
    assert not find.can_be_dragged()


@in_both_modes
def test_a_sampler_that_asks_the_model_more_than_once_a_step_costs_at_least_a_call_for_each(comfy, find):
    for sampler, calls in {"euler": ": 20", "heun": ": at least 20", "uni_pc": ": 20"}.items():
        comfy.set_value("window", "sampler_name", sampler)
        find.waits_for(f"to the end{calls} extra calls")


@pytest.mark.parametrize("unit", ["step", "percent"])
def test_with_one_end_wired_in_it_says_that_a_run_will_tell(comfy, find, unit):
    comfy.set_value("window", "unit", unit)
    comfy.add({"number": ("PrimitiveFloat", (50, 540), {})}, ["number.FLOAT > window.end"])
    find.waits_for("wired in: its steps show after a run")
    assert not find.can_be_dragged()


@in_both_modes
def test_after_a_run_the_curve_is_the_models_own(comfy, find, mode):
    assert find.line().startswith("a guess until it has run: ")
    start = {"classic": 13, "Nodes 2.0": 14}[mode]  # the host runs nothing twice
    comfy.set_value("window", "start", start)
    comfy.run()
    comfy.page.wait_for_function("id => !inPage.says(id, 'guess')", arg=find.id)
    find.waits_for(f"steps {start} to 19 of 20, to the end: {20 - start} extra calls")
    comfy.set_value("window", "scheduler", "karras")
    find.waits_for("a guess until it has run")


@pytest.mark.parametrize("scheduler", ["normal", "simple", "karras", "exponential"])
def test_the_guess_is_the_hosts_schedule_on_a_model_with_stable_diffusions_sigmas(comfy, find, scheduler):
    for steps, denoise, sampler in [(20, 1, "euler"), (9, 0.6, "dpm_2"), (1, 1, "uni_pc")]:
        inputs = {"scheduler": scheduler, "steps": steps, "denoise": denoise, "sampler_name": sampler}
        for name, value in inputs.items():
            comfy.set_value("window", name, value)
        comfy.ask("hearSchedule")
        comfy.run()
        guessed = comfy.ask("guess", *inputs.values())
        assert guessed == pytest.approx(comfy.ask("heard")[:-1], rel=1e-4)


def test_steps_look_like_steps_and_percents_like_percents(comfy, find):
    look = "id => app.graph.getNodeById(id).widgets.slice(2, 4).map(w => w.value.toFixed(w.options.precision))"
    comfy.drawn()
    assert comfy.page.evaluate(look, find.id) == ["0", "10000"]
    comfy.set_value("window", "unit", "percent")
    comfy.set_value("window", "end", 1)
    comfy.drawn()
    assert comfy.page.evaluate(look, find.id) == ["0.00", "1.00"]


@pytest.mark.parametrize("mode", ["Nodes 2.0"])
def test_they_do_so_in_nodes_2_too(comfy, find):
    comfy.page.wait_for_function(SHOWN, arg=[find.id, "0", "10000"])
    for name, value in {"unit": "percent", "end": 0.55}.items():
        comfy.ask("choose", find.id, name, value)
        comfy.drawn()  # the page rounds to what the box shows, and the strip sets that as it looks at the node
    zero = "0.00" if comfy.at.decimals else "0"  # the older page leaves out what says nothing
    comfy.page.wait_for_function(SHOWN, arg=[find.id, zero, "0.55"])
