"""The page in another language: what it shows of the nodes comes from `locales`."""

import json
from pathlib import Path

import pytest

pytestmark = pytest.mark.browser
LOCALES = Path(__file__).parents[2] / "locales"
NODE = "SAG delayed activation"
ADVANCED = "SAG delayed activation (advanced)"
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


@pytest.fixture
def chinese(comfy):
    """The page with its language set to Chinese, for this page only."""
    comfy.open(lambda page: page.route("**/api/settings", lambda route: route.fulfill(json=SETTINGS)))
    comfy.page.wait_for_function("LiteGraph.registered_node_types.KSampler.title !== 'KSampler'")
    comfy.page.evaluate(KEEP_TEXTS, f"nodeDefs.{NODE}.display_name")
    return comfy


@pytest.mark.parametrize("kind", [NODE, ADVANCED])
def test_in_chinese_the_title_and_the_labels_are_chinese(chinese, kind):
    wanted, shown = texts("zh")[kind], chinese.page.evaluate(PLACE, kind)
    names = {name: text["name"] for name, text in wanted["inputs"].items()}
    assert shown["title"] == wanted["display_name"]
    assert shown["slots"] == names
    assert shown["labels"] == {name: label for name, label in names.items() if name != "model"}


def test_in_chinese_hovering_an_input_shows_the_chinese_tooltip(chinese):
    chinese.page.evaluate(PLACE, NODE)
    for name in chinese.values():
        assert chinese.tooltip(name) == texts("zh")[NODE]["inputs"][name]["tooltip"]


def test_the_pages_translation_library_hands_out_every_text_as_written(chinese):
    for locale in ("en", "zh", "ja", "ko"):
        assert chinese.page.evaluate(ALTERED, [locale, texts(locale)]) == []


def test_in_chinese_the_settings_dialog_names_the_packs_settings_in_chinese(chinese):
    names = json.loads((LOCALES / "zh" / "settings.json").read_text(encoding="utf-8"))
    chinese.page.evaluate("() => void app.extensionManager.command.execute('Comfy.ShowSettingsDialog')")
    dialog = chinese.page.get_by_role("dialog")
    dialog.get_by_text("SAG delayed activation").first.click()
    for text in names.values():
        dialog.get_by_text(text["name"]).first.wait_for()
