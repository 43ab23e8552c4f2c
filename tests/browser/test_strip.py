"""The strip on the nodes: the window that is dragged, and what the strip shows of a run."""

import json

import pytest
from demo_graph import ADVANCED, BASIC, PREVIEW, sampled, window

from sag_delayed_activation.sag_core import SigmaWindow
from sag_delayed_activation.sampling.page import RUN_ENDED, details
from sag_delayed_activation.sampling.run_log import RunLog
from sag_delayed_activation.sampling.sentences import Said

pytestmark = pytest.mark.browser
in_both_modes = pytest.mark.parametrize("mode", ["classic", "Nodes 2.0"])
JS = "/extensions/sag-delayed-activation/js"
STRIP = "id => app.graph.getNodeById(id)?.widgets?.find(widget => widget.name === 'sag_strip')?.element ?? null"
# In its place, too: it is born as wide as the page.
DRAWN = f"""id => {{
    const strip = ({STRIP})(id);
    return strip?.querySelector("polyline") && strip.clientWidth < app.graph.getNodeById(id).size[0] && strip;
}}"""
MIDDLES = """(strip, selector) => [...strip.querySelectorAll(selector)].map(element => {
    const { x, y, width, height } = element.getBoundingClientRect();
    return [x + width / 2, y + height / 2];
})"""
TEXTS = "strip => [...strip.querySelectorAll('text')].map(text => text.textContent)"
ZOOM = "scale => { app.canvas.ds.scale = scale; app.canvas.setDirty(true, true); }"
PLACES = "id => JSON.stringify(app.graph.getNodeById(id).pos)"


# What the server tells of the sigma window's next run.
HEAR_SCHEDULE = """() => {
    window.heard = new Promise(done => app.api.addEventListener("executed", ({ detail }) =>
        detail.output?.sag_window && done(detail.output.sag_window[0].sigmas)));
}"""
GUESS = f"""async asked => {{
    const {{ guess, STABLE_DIFFUSION }} = await import("{JS}/schedule.js");
    return guess(STABLE_DIFFUSION, ...asked);
}}"""

# The middle of a grip, once it stands still and nothing lies over it.
WITHIN_REACH = f"""async ([id, label]) => {{
    const grip = ({STRIP})(id)?.querySelector(`[role=slider][aria-label="${{label}}"]`);
    const place = () => grip?.getBoundingClientRect().toJSON(), first = place();
    for (let frame = 0; frame < 10; frame++) await new Promise(requestAnimationFrame);
    if (!first || JSON.stringify(place()) !== JSON.stringify(first)) return null;
    const [x, y] = [first.x + first.width / 2, first.y + first.height / 2];
    return grip.contains(document.elementFromPoint(x, y)) ? [x, y] : null;
}}"""
# By the menu's command: to release Control+z may make a step of its own, if the page is busy as it comes.
UNDO = "async () => void await app.extensionManager.command.execute('Comfy.Undo')"

# Whether these are the first two numbers on a node in Nodes 2.0.
SHOWN = """([id, ...values]) => {
    const boxes = [...document.querySelectorAll(`[data-node-id="${id}"] [role=spinbutton]`)];
    return values.every((value, place) => boxes[place]?.value === value);
}"""
# As a user does it: the page hears of it.
CHOOSE = """([id, name, value]) => {
    const widget = app.graph.getNodeById(id).widgets.find(widget => widget.name === name);
    widget.value = value;
    widget.callback(value);
}"""
# Whether undo will come back to a graph with this node.
NOTICE = """id => {
    const { changeTracker } = app.extensionManager.workflow.activeWorkflow;
    changeTracker.checkState();
    return changeTracker.activeState.nodes.some(node => `${node.id}` === `${id}`);  // a number or a text
}"""


class Strip:
    """That of a node which `comfy.add` has made, by its name there."""

    def __init__(self, comfy, name):
        self.comfy, self.name = comfy, name

    @property
    def page(self):
        return self.comfy.page

    def element(self):
        """Once it is drawn; asked for anew each time, since undo makes nodes anew."""
        return self.page.wait_for_function(DRAWN, arg=self.comfy.ids[self.name]).as_element()

    def line(self):
        return self.element().evaluate("strip => strip.querySelector('span').innerText")

    def waits_for(self, text):
        """Until the line below the curve holds this."""
        there = f"([id, text]) => ({STRIP})(id)?.querySelector('span').innerText.includes(text)"
        self.page.wait_for_function(there, arg=[self.comfy.ids[self.name], text])

    def middles(self, selector):
        """Where the middles of these are in the page, from left to right."""
        return sorted(map(tuple, self.element().evaluate(MIDDLES, selector)))

    def between_steps(self, step):
        """x in the page, between this step and the one before."""
        (left, _), (right, _) = self.middles("circle[class]")[step - 1 : step + 1]
        return (left + right) / 2

    def tick(self, text):
        places = self.element().evaluate(MIDDLES, "text")
        return places[self.element().evaluate(TEXTS).index(text)][0]

    def grip(self, label):
        return self.element().query_selector(f'[role=slider][aria-label="{label}"]')

    def drag(self, label, to):
        """`to` says where, once the grip stands still."""
        looks = (self.page.evaluate(WITHIN_REACH, [self.comfy.ids[self.name], label]) for _ in range(100))
        place = next(filter(None, looks))
        x = to()
        self.page.mouse.move(*place)
        self.page.mouse.down()
        self.page.mouse.move((place[0] + x) / 2, place[1] + 3)
        self.page.mouse.move(x, place[1])
        self.page.mouse.up()
        self.comfy.drawn()

    def key(self, label, *keys):
        self.grip(label).focus()
        for key in keys:
            self.page.keyboard.press(key)
        self.comfy.drawn()


def values(comfy, name, *widgets):
    shown = comfy.values(comfy.ids[name])
    return [shown[widget] for widget in widgets]


def noticed(comfy):
    """Has the page take up what `build` made into its memory for undo and more, as it does after a click."""
    comfy.page.wait_for_function(NOTICE, arg=comfy.ids["window"])


@pytest.fixture
def comfy(used):
    return used


@pytest.fixture
def fresh(open_page, mode):
    """A page that no other test sees."""
    page = open_page(mode, viewport={"width": 1600, "height": 1200})
    yield page
    page.close()
    assert page.complaints() == []


def sigma_window_of_20_steps(comfy):
    """A model and that node alone; its strip."""
    nodes, links = window(steps=20)
    comfy.build({"model": sampled()[0]["model"], "window": nodes["window"], "plot": nodes["plot"]},
                [link for link in links if "> sag." not in link])  # fmt: skip
    return Strip(comfy, "window")


@pytest.fixture
def find(comfy):
    return sigma_window_of_20_steps(comfy)


@pytest.fixture
def guide(comfy):
    """The strip of the basic node in a graph that samples."""
    comfy.build(*sampled(steps=4))
    return Strip(comfy, "sag")


def told(server, comfy, sigmas, acted, skipped=(), start=15.0, end=0.0):
    """What the server tells of a run of the SAG node."""
    why = {place: Said.of("promptNotRun", role=Said("negative")) for place in skipped}
    log = RunLog(SigmaWindow(start, end), sigmas=sigmas, acted=acted, skipped=why, warns=not acted)
    run = {"node": str(comfy.ids["sag"]), "text": log.text(), **details(log)}
    server.post("/page_events", {"event": RUN_ENDED, "data": run})


def kept(comfy):
    """Saves the graph and opens it in a page without memory; the nodes as saved, and as opened."""
    name = comfy.save("dragged")
    saved = comfy.saved(name)["nodes"]
    comfy.open_saved(name)
    return {str(node["id"]): node for node in saved}, {str(node["id"]): node for node in comfy.nodes()}


@in_both_modes
@pytest.mark.parametrize("zoom", [1, 0.5])
def test_dragging_the_grips_sets_the_steps_of_the_sigma_window(comfy, server, find, zoom):
    comfy.page.evaluate(ZOOM, zoom)
    comfy.drawn()
    before = comfy.page.evaluate(PLACES, comfy.ids["window"])
    find.drag("start", lambda: find.between_steps(8))
    find.drag("end", lambda: find.between_steps(15))
    assert values(comfy, "window", "start", "end") == [8, 15]
    assert comfy.page.evaluate(PLACES, comfy.ids["window"]) == before
    assert "steps 8 to 14 of 20: 7 extra calls, sigma" in find.line()
    assert len(find.middles(".sag-lit")) == 7 and len(find.middles(".sag-idle")) == 13
    saved, opened = kept(comfy)
    node = str(comfy.ids["window"])
    assert saved[node]["widgets_values"] == ["custom", "step", 8, 15, "normal", 20, 1, "euler"]
    assert opened[node]["widgets_values"] == saved[node]["widgets_values"]
    find.waits_for("steps 8 to 14 of 20")


@in_both_modes
@pytest.mark.parametrize("kind, zoom", [(BASIC, 1), (ADVANCED, 0.5)])
def test_dragging_the_grips_sets_the_sigmas_of_the_sag_nodes(comfy, server, kind, zoom):
    comfy.build(*sampled(kind))
    strip = Strip(comfy, "sag")
    comfy.page.evaluate(ZOOM, zoom)
    comfy.drawn()
    assert strip.line() == "sigma 15 to 0: its steps show after a run"
    strip.drag("sigma_start", lambda: strip.tick("5"))
    strip.drag("sigma_end", lambda: strip.tick("0.5"))
    start, end = values(comfy, "sag", "sigma_start", "sigma_end")
    assert start == pytest.approx(5, rel=0.1) and end == pytest.approx(0.5, rel=0.1)
    assert [start, end] == [round(start, 2), round(end, 2)]
    saved, opened = kept(comfy)
    node = str(comfy.ids["sag"])
    assert saved[node]["widgets_values"][2:4] == [start, end]
    assert opened[node]["widgets_values"] == saved[node]["widgets_values"]


@in_both_modes
def test_a_drag_is_one_step_of_undo_and_so_is_a_key(comfy, find):
    noticed(comfy)
    find.drag("start", lambda: find.between_steps(8))
    find.key("start", "ArrowRight")
    assert values(comfy, "window", "start") == [9]
    for start in (8, 0):
        comfy.page.evaluate(UNDO)
        assert values(comfy, "window", "start") == [start]


@in_both_modes
def test_the_grips_are_sliders_that_say_where_they_are(comfy, find):
    said = [find.grip(label).get_attribute("aria-valuetext") for label in ("start", "end")]
    assert said == ["step 0", "to the end"]
    find.key("start", "ArrowRight", "ArrowRight", "ArrowUp", "ArrowLeft")
    find.key("end", "ArrowLeft")
    assert values(comfy, "window", "start", "end") == [2, 19]
    assert find.grip("start").get_attribute("aria-valuetext") == "step 2"
    find.key("start", "End")
    assert values(comfy, "window", "start") == [18]
    find.key("end", "End")
    assert values(comfy, "window", "end") == [10000]
    assert "steps 18 to 19 of 20, to the end: 2 extra calls" in find.line()


def test_keys_that_come_faster_than_the_page_draws_all_count(comfy, find):
    find.grip("start").evaluate("""grip => {
        for (let i = 0; i < 3; i++) grip.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight" }));
    }""")
    assert values(comfy, "window", "start") == [3]


def test_a_typed_value_moves_its_grip(comfy, find):
    place = find.middles("[role=slider]")[0][0]
    comfy.type_value("start", 10, comfy.ids["window"])
    find.waits_for("steps 10 to 19")
    assert find.middles("[role=slider]")[0][0] > place + 50


def test_in_percent_it_sets_hundredths_of_the_way(comfy, find):
    comfy.set_value("window", "unit", "percent")
    comfy.set_value("window", "end", 1)
    find.drag("start", lambda: find.between_steps(10))
    (start,) = values(comfy, "window", "start")
    assert start == round(start, 2) and 0.4 < start < 0.6
    find.key("start", "ArrowLeft", "ArrowLeft")
    assert 0 < values(comfy, "window", "start")[0] < start


@pytest.mark.parametrize("preset, line", [("all", "steps 0 to 19"), ("late", "steps 6 to 19"),
                                          ("interval 0.28 to 5.42", "steps 4 to 17"),
                                          ("last third", "steps 13 to 19")])  # fmt: skip
def test_a_preset_is_shown_and_not_dragged(comfy, find, preset, line):
    comfy.set_value("window", "preset", preset)
    find.waits_for(line)
    assert not any(grip.is_visible() for grip in find.element().query_selector_all("[role=slider]"))


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
    assert not any(grip.is_visible() for grip in find.element().query_selector_all("[role=slider]"))


@in_both_modes
def test_after_a_run_the_curve_is_the_models_own(comfy, find, mode):
    assert find.line().startswith("a guess until it has run: ")
    start = {"classic": 13, "Nodes 2.0": 14}[mode]  # the host runs nothing twice
    comfy.set_value("window", "start", start)
    comfy.run()
    find.waits_for(f"steps {start} to 19 of 20, to the end: {20 - start} extra calls")
    find.page.wait_for_function(f"id => !({STRIP})(id).querySelector('span').innerText.includes('guess')",
                                arg=comfy.ids["window"])  # fmt: skip
    comfy.set_value("window", "scheduler", "karras")
    find.waits_for("a guess until it has run")


@pytest.mark.parametrize("scheduler", ["normal", "simple", "karras", "exponential"])
def test_the_guess_is_the_hosts_schedule_on_a_model_with_stable_diffusions_sigmas(comfy, find, scheduler):
    for steps, denoise in [(20, 1), (9, 0.6), (1, 1)]:
        for name, value in {"scheduler": scheduler, "steps": steps, "denoise": denoise}.items():
            comfy.set_value("window", name, value)
        comfy.page.evaluate(HEAR_SCHEDULE)
        comfy.run()
        hosts = comfy.page.evaluate("heard")
        guess = comfy.page.evaluate(GUESS, [scheduler, steps, denoise])
        assert guess == pytest.approx(hosts[:-1], rel=1e-4)


@in_both_modes
def test_a_sag_node_shows_the_steps_of_its_last_run(comfy, server, guide):
    told(server, comfy, [14.6, 4.1, 1.6, 0.7], acted=[1, 2], skipped=[3], start=15.0)
    guide.waits_for("acted on 2 of 4: sigma 4.1 to 1.6, 1 skipped")
    assert [len(guide.middles(f".sag-{state}")) for state in ("lit", "skipped", "inside", "idle")] == [2, 1, 1, 0]
    guide.drag("sigma_start", lambda: guide.between_steps(2))
    assert 1.6 < values(comfy, "sag", "sigma_start")[0] < 4.1
    assert guide.line() == "2 of the last run's 4 evaluations lie inside"
    guide.key("sigma_start", "ArrowLeft")
    assert 4.1 < values(comfy, "sag", "sigma_start")[0] < 14.6


@in_both_modes
def test_a_run_in_which_it_never_acted_warns_on_the_node(comfy, server, guide):
    told(server, comfy, [14.6, 4.1, 1.6, 0.7], acted=[], skipped=[0, 1, 2, 3])
    guide.waits_for("acted on 0 of 4 model evaluations; skipped 4 in the window: 4 because")
    colour = guide.element().query_selector("span").evaluate("text => getComputedStyle(text).color")
    assert colour != guide.element().evaluate("strip => getComputedStyle(strip).color")


@in_both_modes
@pytest.mark.parametrize("start", [15, 0.01])
def test_after_a_run_the_node_says_what_it_did_and_saves_none_of_it(comfy, mode, start):
    scale = {"classic": 0.31, "Nodes 2.0": 0.32}[mode]  # or the host would take the MODEL of another test's node
    comfy.build(*sampled(steps=4, scale=scale, sigma_start=start))
    comfy.run()
    Strip(comfy, "sag").waits_for("acted on 4 of 4: sigma 14.6 to" if start == 15 else "acted on 0 of 4 model eval")
    (node,) = (node for node in comfy.nodes() if node["type"] == BASIC)
    assert node["widgets_values"] == [scale, 2, start, 0]


def test_evaluations_at_one_sigma_are_one_step(comfy, server, guide):
    """As Heun's method makes them."""
    told(server, comfy, [14.6, 4.1, 4.1, 1.6, 1.6, 0.0], acted=[1, 2], start=5.0, end=4.0)
    comfy.set_value("sag", "sigma_start", 5)
    comfy.set_value("sag", "sigma_end", 4)
    guide.waits_for("acted on 2 of 6: sigma 4.1 to 4.1")
    assert [len(guide.middles(f".sag-{state}")) for state in ("lit", "idle")] == [1, 2]


def test_what_is_wired_in_is_shown_and_not_dragged(comfy, server):
    comfy.build(*sampled(steps=4))
    comfy.add(*window(steps=4, start=1, end=3))
    strip = Strip(comfy, "sag")
    strip.waits_for("wired in: its steps show after a run")
    told(server, comfy, [14.6, 4.1, 1.6, 0.7], acted=[1, 2], start=5.0, end=1.0)
    strip.waits_for("acted on 2 of 4: sigma 4.1 to 1.6")
    assert not any(grip.is_visible() for grip in strip.element().query_selector_all("[role=slider]"))
    assert len(strip.middles(".sag-lit")) == 2


def test_a_run_of_a_node_in_a_subgraph_is_shown_there(comfy, server, guide):
    outer, inner = comfy.page.evaluate("""id => {
        const node = app.graph.getNodeById(id);
        const { subgraph, node: outer } = app.graph.convertToSubgraph(new Set([node]));
        app.canvas.openSubgraph(subgraph, outer);
        return [outer.id, subgraph.nodes.find(inside => inside.comfyClass === node.comfyClass).id];
    }""", comfy.ids["sag"])
    comfy.page.evaluate("() => app.canvas.setDirty(true, true)")
    comfy.ids["sag"] = f"{outer}:{inner}"
    told(server, comfy, [14.6, 4.1, 1.6, 0.7], acted=[0, 1, 2, 3])
    comfy.page.locator(".sag-strip span").get_by_text("acted on 4 of 4").wait_for()


@in_both_modes
def test_the_strip_of_a_sag_node_folds_away_and_stays_so(comfy, server, guide):
    try:
        height = comfy.area(comfy.ids["sag"])["height"]
        guide.element().query_selector("button").click()
        comfy.page.wait_for_function(f"id => !({STRIP})(id).querySelector('svg').getClientRects().length",
                                     arg=comfy.ids["sag"])  # fmt: skip
        comfy.drawn()
        assert comfy.area(comfy.ids["sag"])["height"] < height - 50
        comfy.page.wait_for_function("""async () =>
            (await (await fetch("/api/settings")).json())["SAG delayed activation.Folded"]""")
        comfy.open()
        comfy.build(*sampled())
        assert guide.line() and not guide.element().query_selector("svg").is_visible()
    finally:
        server.post("/settings", {"SAG delayed activation.Folded": False})


def test_a_setting_of_the_page_switches_the_strips_off(fresh, server):
    try:
        server.post("/settings", {"SAG delayed activation.Strips": False})
        fresh.open()
        fresh.build(*sampled())
        fresh.add(*window(steps=4))
        assert not fresh.page.locator(".sag-strip").count()
        assert fresh.page.evaluate("app.extensionManager.setting.get('SAG delayed activation.Strips')") is False
    finally:
        server.post("/settings", {"SAG delayed activation.Strips": True})


def made(comfy, nodes, links):
    """The prompt and the saved workflow of a graph, as text, the workflow without the nodes' sizes."""
    comfy.build(nodes, links)
    prompt = comfy.page.evaluate("async () => JSON.stringify((await app.graphToPrompt()).output)")
    workflow = json.loads(comfy.page.evaluate("JSON.stringify(app.graph.serialize())"))
    return prompt, json.dumps([{k: v for k, v in node.items() if k != "size"} for node in workflow["nodes"]])


def without_scripts(comfy):
    """The page as it is without the pack's scripts."""
    def leave_out(route):
        route.fulfill(json=[path for path in route.fetch().json() if not path.startswith(JS)])

    comfy.open(lambda page: page.route("**/extensions", leave_out))


@in_both_modes
def test_prompts_are_what_they_are_without_the_scripts_and_workflows_too_but_for_sizes(fresh):
    nodes, links = sampled(ADVANCED)
    more, wires = window(steps=4, start=1, end=3)
    graph = {**nodes, **more}, [*links, *wires]
    with_scripts = made(fresh, *graph)
    assert fresh.page.locator(".sag-strip").count() == 2
    without_scripts(fresh)
    assert made(fresh, *graph) == with_scripts
    assert not fresh.page.locator(".sag-strip").count()


def test_a_page_that_knows_no_such_widgets_lacks_the_strip_alone(fresh):
    fresh.page.evaluate("() => delete LiteGraph.LGraphNode.prototype.addDOMWidget")
    fresh.build(*sampled())
    assert not fresh.page.locator(".sag-strip").count()
    fresh.run()
    assert fresh.pictures("shown")


@pytest.mark.parametrize("fault", [
    "document.createElementNS = () => { throw new Error('on purpose') }",
    "Element.prototype.replaceChildren = () => { throw new Error('on purpose') }",
], ids=["as the strip is made", "as it is drawn"])  # fmt: skip
def test_a_fault_in_the_strip_is_told_once_and_leaves_the_node_working(fresh, fault):
    fresh.page.evaluate(f"() => {{ {fault} }}")
    nodes, links = sampled()
    fresh.build({"sag": nodes["sag"]}, [])
    fresh.drawn()
    fresh.drawn()
    fresh.page.reload()
    (told,) = fresh.complaints()
    assert "a strip is not shown" in told and "on purpose" in told


def test_steps_look_like_steps_and_percents_like_percents(comfy, find):
    look = "id => app.graph.getNodeById(id).widgets.slice(2, 4).map(w => w.value.toFixed(w.options.precision))"
    assert comfy.page.evaluate(look, comfy.ids["window"]) == ["0", "10000"]
    comfy.set_value("window", "unit", "percent")
    comfy.set_value("window", "end", 1)
    comfy.drawn()
    assert comfy.page.evaluate(look, comfy.ids["window"]) == ["0.00", "1.00"]


@pytest.mark.parametrize("mode", ["Nodes 2.0"])
def test_they_do_so_in_nodes_2_too(comfy, find):
    window = comfy.ids["window"]
    comfy.page.wait_for_function(SHOWN, arg=[window, "0", "10000"])
    for name, value in {"unit": "percent", "end": 0.55}.items():
        comfy.page.evaluate(CHOOSE, [window, name, value])
    zero = "0.00" if comfy.at.decimals else "0"  # the older page leaves out what says nothing
    comfy.page.wait_for_function(SHOWN, arg=[window, zero, "0.55"])


@in_both_modes
def test_the_mask_preview_is_born_at_a_size_at_which_a_tile_can_be_read(comfy):
    comfy.build({"preview": (PREVIEW, (300, 150), {})}, [])
    area = comfy.area(comfy.ids["preview"])
    assert area["width"] >= 400 and area["height"] >= 400


IN_LANGUAGES = {  # a strip's own text, and the reason in a warning that the server told
    "zh": ("运行之前为估计：第 0 到 19 步", "UNet 没有计算负面提示词（4 次）"),
    "ja": ("実行するまでは推定：全 20", "UNet がネガティブプロンプトを計算しませんでした（4 回）"),
    "ko": ("실행 전까지는 추정: 20", "UNet이 부정 프롬프트를 계산하지 않았습니다(4회)"),
    "en": ("a guess until it has run", "4 because the UNet did not run the negative prompt"),
}


SPEAK = """async ([language, id]) => {
    app.graph.getNodeById(id).isOld = true;
    await app.extensionManager.setting.set("Comfy.Locale", language);
}"""
IS_BUILT_ANEW = "id => { const node = app.graph.getNodeById(id); return node && !node.isOld; }"


def test_the_lines_are_in_the_language_of_the_page(fresh, server):
    """In a page of its own: the page builds its graph anew some time after a change of language."""
    window_strip = sigma_window_of_20_steps(fresh)
    nodes, _ = sampled()
    fresh.add({"sag": nodes["sag"]}, [])
    noticed(fresh)  # it builds nodes that it has taken up, and no others
    try:
        for language, (own, reason) in IN_LANGUAGES.items():
            fresh.page.evaluate(SPEAK, [language, fresh.ids["sag"]])
            fresh.page.wait_for_function(IS_BUILT_ANEW, arg=fresh.ids["sag"])
            told(server, fresh, [14.6, 4.1, 1.6, 0.7], acted=[], skipped=[0, 1, 2, 3])  # page 1.49 forgets it there
            window_strip.waits_for(own)
            Strip(fresh, "sag").waits_for(reason)
    finally:
        server.post("/settings", {"Comfy.Locale": "en"})


@pytest.fixture
def in_chinese(server):
    """Pages that are opened from now on."""
    server.post("/settings", {"Comfy.Locale": "zh"})
    yield
    server.post("/settings", {"Comfy.Locale": "en"})


def test_where_the_host_gives_no_other_languages_all_is_in_english(in_chinese, fresh, server):
    """As hosts before 2025 do."""
    fresh.open(lambda page: page.route("**/i18n", lambda route: route.fulfill(status=404)))
    fresh.build(*sampled())
    told(server, fresh, [14.6, 4.1, 1.6, 0.7], acted=[], skipped=[0, 1, 2, 3])
    Strip(fresh, "sag").waits_for("4 because the UNet did not run the negative prompt")


@pytest.mark.parametrize("mode", ["Nodes 2.0"])
def test_no_english_line_of_the_hosts_stands_beside_it(in_chinese, fresh):
    """In Nodes 2.0 all that is on a node is text in the page."""
    fresh.build(*sampled(steps=4, scale=0.33, sigma_start=0.01))
    fresh.page.evaluate("() => void app.queuePrompt(0)")  # the button has another name here
    Strip(fresh, "sag").waits_for("4 次模型计算中有 0 次生效")
    fresh.pictures("shown")  # the prompt is done
    fresh.drawn()
    shown = fresh.page.locator(f'[data-node-id="{fresh.ids["sag"]}"]').inner_text()
    assert "4 次模型计算中有 0 次生效" in shown and "model evaluations" not in shown


LUMINANCE = """element => {
    const most = text => text.startsWith("color(srgb") ? 1 : 255;  // as it says what was mixed
    const parts = text => text.match(/[\\d.]+/g).slice(0, 3).map(part => (part /= most(text)) <= 0.04045
        ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    const luminance = text => { const [r, g, b] = parts(text); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
    const inks = [element, element.querySelector("span")].map(part => getComputedStyle(part).color);
    return [...inks, getComputedStyle(element).backgroundColor].map(luminance);
}"""


@in_both_modes
@pytest.mark.parametrize("palette", ["dark", "light"])
def test_its_line_and_its_warning_can_be_read_in_both_themes(comfy, server, guide, palette):
    """By the contrast that WCAG asks of a text."""
    told(server, comfy, [14.6, 4.1, 1.6, 0.7], acted=[], skipped=[0, 1, 2, 3])
    guide.waits_for("acted on 0 of 4")
    comfy.page.evaluate("palette => app.extensionManager.setting.set('Comfy.ColorPalette', palette)", palette)
    comfy.drawn()
    plain, warning, behind = guide.element().evaluate(LUMINANCE)
    comfy.page.evaluate("() => app.extensionManager.setting.set('Comfy.ColorPalette', 'dark')")
    for ink in (plain, warning):
        low, high = sorted((ink, behind))
        assert (high + 0.05) / (low + 0.05) >= 4.5
    assert plain != warning
