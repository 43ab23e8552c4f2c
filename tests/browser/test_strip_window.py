"""What the sigma window shows: a schedule, the steps that its inputs ask for, and their price."""

import pytest

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
    for steps, denoise in [(20, 1), (9, 0.6), (1, 1)]:
        for name, value in {"scheduler": scheduler, "steps": steps, "denoise": denoise}.items():
            comfy.set_value("window", name, value)
        comfy.ask("hearSchedule")
        comfy.run()
        assert comfy.ask("guess", scheduler, steps, denoise) == pytest.approx(comfy.ask("heard")[:-1], rel=1e-4)


def test_steps_look_like_steps_and_percents_like_percents(comfy, find):
    look = "id => app.graph.getNodeById(id).widgets.slice(2, 4).map(w => w.value.toFixed(w.options.precision))"
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
        comfy.drawn()  # the page rounds to what the box shows, and the strip sets that once a frame
    zero = "0.00" if comfy.at.decimals else "0"  # the older page leaves out what says nothing
    comfy.page.wait_for_function(SHOWN, arg=[find.id, zero, "0.55"])
