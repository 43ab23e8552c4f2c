"""The page in other languages: what it shows of the nodes and of their strips comes from `locales`."""

import json
from pathlib import Path
from urllib.parse import quote

import pytest
from demo_graph import ADVANCED, BASIC, sampled
from page_strip import Strip, tell, window_of_20_steps

pytestmark = [pytest.mark.browser, pytest.mark.own_page]
in_both_modes = pytest.mark.parametrize("mode", ["classic", "Nodes 2.0"])
LOCALES = Path(__file__).parents[2] / "locales"
SETTINGS = {"Comfy.TutorialCompleted": True, "Comfy.Locale": "zh"}
# Some pages, that of ComfyUI 0.3.75 among them, drop the packs' texts when they load a language. Later ones merge
# them in again (Comfy-Org/ComfyUI_frontend, pull request 7214), as is done here where they are missing.
KEEP_TEXTS = """async key => {
    const vue = document.querySelector("#vue-app").__vue_app__;
    window.i18n = vue._context.provides[vue.__VUE_I18N_SYMBOL__].global;
    if (i18n.te(key)) return;
    for (const [locale, texts] of Object.entries(await (await fetch("/i18n")).json()))
        i18n.mergeLocaleMessage(locale, texts);
    await app.registerNodes();
}"""
PLACE = """kind => {
    app.graph.clear();
    const node = LiteGraph.createNode(kind);
    node.pos = [350, 200];
    app.graph.add(node);
    app.canvas.draw(true, true);
    return {
        title: node.title,
        labels: Object.fromEntries(node.widgets.filter(widget => widget.serialize !== false)
            .map(widget => [widget.name, widget.label])),
        slots: Object.fromEntries(node.inputs.map(input => [input.name, input.localized_name])),
    };
}"""
# Every text of `texts`, asked for by its path, where the answer is another one.
ALTERED = """([locale, texts]) => {
    const altered = [];
    const walk = (path, found) => {
        if (typeof found !== "string") {
            for (const [key, inner] of Object.entries(found)) walk(`${path}.${key}`, inner);
            return;
        }
        const answer = i18n.t(path, {}, { locale });
        if (answer !== found) altered.push([path, answer]);
    };
    i18n.mergeLocaleMessage(locale, { nodeDefs: texts });  // the page itself does so for the language it shows only
    walk("nodeDefs", texts);
    return altered;
}"""


def texts(locale):
    return json.loads((LOCALES / locale / "nodeDefs.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def chinese(open_page, server):
    """A page with its language set to Chinese, for this page only."""
    settings = lambda page: page.route("**/api/settings", lambda route: route.fulfill(json=SETTINGS))  # noqa: E731
    page = open_page(server, prepare=settings)
    page.page.wait_for_function("LiteGraph.registered_node_types.KSampler.title !== 'KSampler'")
    page.page.evaluate(KEEP_TEXTS, f"nodeDefs.{BASIC}.display_name")
    yield page
    page.close()
    assert page.complaints() == []


@pytest.mark.parametrize("kind", [BASIC, ADVANCED])
def test_in_chinese_the_title_and_the_labels_are_chinese(chinese, kind):
    wanted, shown = texts("zh")[kind], chinese.page.evaluate(PLACE, kind)
    names = {name: text["name"] for name, text in wanted["inputs"].items()}
    assert shown["title"] == wanted["display_name"]
    assert shown["slots"] == names
    assert shown["labels"] == {name: label for name, label in names.items() if name != "model"}


def test_in_chinese_hovering_an_input_shows_the_chinese_tooltip(chinese):
    chinese.page.evaluate(PLACE, BASIC)
    for name in chinese.values():
        assert chinese.tooltip(name) == texts("zh")[BASIC]["inputs"][name]["tooltip"]


def test_the_pages_translation_library_hands_out_every_text_as_written(chinese):
    for locale in ("zh", "ja", "ko"):
        assert chinese.page.evaluate(ALTERED, [locale, texts(locale)]) == []


def test_in_chinese_the_settings_dialog_names_the_packs_settings_in_chinese(chinese):
    names = json.loads((LOCALES / "zh" / "settings.json").read_text(encoding="utf-8"))
    chinese.ask("command", "Comfy.ShowSettingsDialog")
    dialog = chinese.page.get_by_role("dialog")
    dialog.get_by_text("SAG delayed activation").first.click()
    for text in names.values():
        dialog.get_by_text(text["name"]).first.wait_for()


IN_LANGUAGES = {  # a strip's own text, the reason in a warning that the server told, and a refusal
    "zh": ("运行之前为估计：第 0 到 19 步", "UNet 没有计算负面提示词（4 次）",
           "unit 为 step 时，start 必须是整数，现在是 4.5"),
    "ja": ("実行するまでは推定：全 20", "UNet がネガティブプロンプトを計算しませんでした（4 回）",
           "unit が step のとき、start は整数でなければなりません（現在：4.5）"),
    "ko": ("실행 전까지는 추정: 20", "UNet이 부정 프롬프트를 계산하지 않았습니다(4회)",
           "unit이 step이면 start 값은 정수여야 합니다(현재: 4.5)"),
    "en": ("a guess until it has run", "4 because the UNet did not run the negative prompt",
           "start must be a whole number where unit is step, got 4.5"),
}  # fmt: skip
# Makes the page say all in another language, and marks a node, which the page will build anew.
SPEAK = """async ([language, id]) => {
    app.graph.getNodeById(id).isOld = true;
    await app.extensionManager.setting.set("Comfy.Locale", language);
}"""
IS_BUILT_ANEW = "id => { const node = app.graph.getNodeById(id); return node && !node.isOld; }"


SHOWN = """id => {
    const { title, widgets, inputs, outputs, constructor } = app.graph.getNodeById(id);
    const slots = slots => Object.fromEntries(slots.map(slot => [slot.name, slot.label ?? slot.localized_name]));
    const labels = widgets.filter(widget => widget.serialize !== false).map(widget => [widget.name, widget.label]);
    return [title, constructor.nodeData.description, Object.fromEntries(labels), slots(inputs), slots(outputs)];
}"""


def speak(comfy, language):
    comfy.wait("willUndoTo", comfy.ids["sag"])  # the page builds nodes anew that it has taken up, and no others
    comfy.page.evaluate(SPEAK, [language, comfy.ids["sag"]])
    comfy.page.wait_for_function(IS_BUILT_ANEW, arg=comfy.ids["sag"])


@pytest.fixture
def english_in_the_end(server):
    """For the pages that are opened after this test."""
    yield
    server.post("/settings", {"Comfy.Locale": "en"})


@in_both_modes
def test_in_english_before_and_after_another_language_it_shows_the_nodes_own_texts(english_in_the_end, fresh, server):
    """There is no English in `locales`."""
    fresh.build({"sag": sampled()[0]["sag"]}, [])
    code = server.get(f"/object_info/{quote(BASIC)}")[BASIC]
    names = {name: name for name in code["input"]["required"]}
    own = [BASIC, code["description"], {n: n for n in names if n != "model"}, names, {"MODEL": "MODEL"}]
    assert fresh.page.evaluate(SHOWN, fresh.ids["sag"]) == own
    for language in ("zh", "en"):
        speak(fresh, language)
    assert fresh.page.evaluate(SHOWN, fresh.ids["sag"]) == own


def test_the_lines_of_the_strips_are_in_the_language_of_the_page(english_in_the_end, fresh):
    """In a page of its own: the page builds its graph anew some time after a change of language."""
    window = window_of_20_steps(fresh)
    fresh.add({"sag": sampled()[0]["sag"]}, [])
    for language, (own, reason, refusal) in IN_LANGUAGES.items():
        speak(fresh, language)
        tell(fresh, [14.6, 4.1, 1.6, 0.7], acted=[], skipped=[0, 1, 2, 3])  # page 1.49 forgets it there
        window.waits_for(own)
        Strip(fresh, "sag").waits_for(reason)
        fresh.set_value("window", "start", 4.5)
        window.waits_for(refusal)
        fresh.set_value("window", "start", 0)


@pytest.fixture
def in_chinese(english_in_the_end, server):
    """The pages that are opened from now on."""
    server.post("/settings", {"Comfy.Locale": "zh"})


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
