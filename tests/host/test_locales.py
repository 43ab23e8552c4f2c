"""The texts of `locales`, in other languages than English, which stands in the code: none lacks, each is in its own."""

import json
import re
from pathlib import Path

import pytest

from sag_delayed_activation.sampling.sentences import REASONS, REMEDIES, SENTENCES

ROOT = Path(__file__).parents[2]
LOCALES = ROOT / "locales"
LANGUAGES = {"zh": r"[\u4e00-\u9fff]", "ja": r"[\u3040-\u30ff]", "ko": r"[\uac00-\ud7af]"}  # and their writing
PROSE = ("description", "tooltip")
# What the host's own nodes have too, named here as there; no message of this pack asks for them by name.
HOSTS_OWN = {"model", "scheduler", "steps", "denoise", "sampler_name"}


def flat(texts, path=()):
    """{path: text}, path being the keys from the node's id down."""
    if isinstance(texts, str):
        return {path: texts}
    return {p: text for key, inner in texts.items() for p, text in flat(inner, (*path, key)).items()}


def read(locale):
    return flat(json.loads((LOCALES / locale / "nodeDefs.json").read_text(encoding="utf-8")))


def texts_of(node_id, display_name, node):
    """What the code says to the user about one node."""
    kinds = node.INPUT_TYPES()
    inputs = kinds["required"] | kinds.get("optional", {})
    outputs = zip(getattr(node, "RETURN_NAMES", node.RETURN_TYPES), node.OUTPUT_TOOLTIPS, strict=True)
    return flat({node_id: {
        "display_name": display_name,
        "description": node.DESCRIPTION,
        "inputs": {name: {"name": name, "tooltip": options["tooltip"]} for name, (_, options) in inputs.items()},
        "outputs": {str(n): {"name": name, "tooltip": tooltip} for n, (name, tooltip) in enumerate(outputs)},
    }})  # fmt: skip


@pytest.fixture(scope="module")
def code():
    import sag_delayed_activation as pack

    names = pack.NODE_DISPLAY_NAME_MAPPINGS
    return {k: v for i, node in pack.NODE_CLASS_MAPPINGS.items() for k, v in texts_of(i, names[i], node).items()}


@pytest.mark.parametrize("locale", LANGUAGES)
def test_every_language_has_the_texts_of_the_code_and_no_others(code, locale):
    found = read(locale)
    assert [path for path in code if not found.get(path, "").strip()] == [], f"missing or empty in {locale}"
    assert [path for path in found if path not in code] == [], f"superfluous in {locale}"


@pytest.mark.parametrize("locale", LANGUAGES)
def test_descriptions_and_tooltips_are_in_their_own_language(locale):
    prose = {path: text for path, text in read(locale).items() if path[-1] in PROSE}
    assert [path for path, text in prose.items() if not re.search(LANGUAGES[locale], text)] == []


@pytest.mark.parametrize("locale", LANGUAGES)
def test_numbers_and_words_in_code_are_those_of_the_english_text(code, locale):
    """What a user types or picks stays as it is: 0.28, d2.3, sigma_start, dpm_2."""

    def literals(text):
        return set(re.findall(r"[a-z]+_[a-z0-9_]+|[dmu]\d(?:\.\d)?|\d+(?:\.\d+)?", text))

    found = read(locale)
    lost = {path: literals(text) - literals(found[path]) for path, text in code.items() if path[-1] in PROSE}
    assert {path: words for path, words in lost.items() if words} == {}


@pytest.mark.parametrize("locale", LANGUAGES)
def test_inputs_that_messages_name_keep_that_name_in_their_label(locale):
    labels = {path: text for path, text in read(locale).items() if path[1] == "inputs" and path[-1] == "name"}
    assert [path for path, text in labels.items() if path[2] not in text and path[2] not in HOSTS_OWN] == []


@pytest.mark.parametrize("locale", LANGUAGES)
def test_no_text_holds_a_character_that_the_translation_library_reads(locale):
    assert [path for path, text in read(locale).items() if set(text) & set("|@{}")] == []


def strips_texts():
    """Those of the page's scripts, in English."""
    script = (ROOT / "web/js/texts.js").read_text(encoding="utf-8")
    return {key: json.loads(text) for key, text in re.findall(r'^  (\w+): (".*"),$', script, re.MULTILINE)}


@pytest.mark.parametrize("locale", LANGUAGES)
def test_every_language_has_the_texts_of_the_strips_and_of_a_runs_line_with_the_same_words_to_fill_in(locale):
    texts = strips_texts()
    english = texts | SENTENCES | REASONS | REMEDIES
    assert len(texts) > 10 and len(english) == sum(map(len, (texts, SENTENCES, REASONS, REMEDIES)))
    found = json.loads((LOCALES / locale / "main.json").read_text(encoding="utf-8"))["sagDelayedActivation"]
    assert found.keys() == english.keys()

    def words(text):
        return sorted(set(re.findall(r"{(\w+)}", text)) - {"s"})  # the plural is English

    assert {key: words(text) for key, text in found.items()} == {key: words(text) for key, text in english.items()}
    left = {key for key, text in found.items() if not re.search(rf"{LANGUAGES[locale]}|[\u4e00-\u9fff]", text)}
    assert left == {"between"}, f"not in {locale}"  # punctuation


@pytest.mark.parametrize("locale", LANGUAGES)
def test_every_setting_of_the_page_has_its_name_in_every_language(locale):
    """Under its id, in which the page takes every point for an underscore."""
    script = (ROOT / "web/js/settings.js").read_text(encoding="utf-8")
    ids = {name.replace(".", "_") for name in re.findall(r'"(SAG delayed activation\.\w+)"', script)}
    found = json.loads((LOCALES / locale / "settings.json").read_text(encoding="utf-8"))
    assert ids and found.keys() == ids
    assert all(list(texts) == ["name"] and re.search(LANGUAGES[locale], texts["name"]) for texts in found.values())
