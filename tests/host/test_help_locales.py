"""The help in other languages says line by line what the English one says, in the words of `locales`.

The page asks for `web/docs/NODE/LOCALE.md`, and takes `NODE.md` where there is none.
"""

import json
import re
from itertools import product
from pathlib import Path

import pytest
from said import as_pattern

from sag_delayed_activation import NODE_CLASS_MAPPINGS as NODES
from sag_delayed_activation.sampling.sentences import REASONS, SENTENCES

ROOT = Path(__file__).parents[2]
DOCS, LOCALES = ROOT / "web" / "docs", ROOT / "locales"
WRITING = {"zh": r"[\u4e00-\u9fff]", "ja": r"[\u3040-\u30ff\u4e00-\u9fff]", "ko": r"[\uac00-\ud7af]"}
WORDS = {"negative", "positive", "input", "middle", "output"}  # filled into sentences
OF_A_RUN = {key: text for key, text in (SENTENCES | REASONS).items() if key not in WORDS | {"because"}}
WINDOW = "SAG sigma window"  # its strip says before a run what the node would refuse
OF_THE_WINDOW = ("upsideDown", "noWhole", "outOfRange", "noNumber", "noChoice", "empty")
CODE = re.compile(r"`([^`]+)`")
every_page = pytest.mark.parametrize("kind, locale", list(product(NODES, WRITING)))


def read(path):
    return path.read_text(encoding="utf-8")


def lines(kind, locale):
    """Of each line what is English, and what is not."""
    english, other = (read(path).splitlines() for path in (DOCS / f"{kind}.md", DOCS / kind / f"{locale}.md"))
    return list(zip(english, other, strict=True))


def shape(line):
    """What kind of line it is, where its pictures and links lead, and the words in code that nobody translates."""
    begins = re.match(r"#+ |- |\||!\[|\*(?=[^*])|", line)[0]
    links, codes = re.findall(r"\]\(([^)]+)\)", line), CODE.findall(line)
    return begins, line.count("|"), links, sorted({code for code in codes if " " not in code and code.isascii()})


def messages(line):
    return [code for code in CODE.findall(line) if " " in code or not code.isascii()]


def own_words(locale):
    return json.loads(read(LOCALES / locale / "main.json"))["sagDelayedActivation"]


def in_english(kind):
    """What the page says in its own language, by key."""
    script = (ROOT / "web/js/texts.js").read_text(encoding="utf-8")
    strips = {key: json.loads(text) for key, text in re.findall(r'^  (\w+): (".*"),$', script, re.MULTILINE)}
    return {key: strips[key] for key in OF_THE_WINDOW} if kind == WINDOW else OF_A_RUN


def key_of(message, texts, *begins):
    """Of a message that is quoted, where it is one of these texts, or ends one; None for what is always English."""
    for key, text in texts.items():
        if any(re.fullmatch(as_pattern(text), begin + message) for begin in ("", *begins)):
            return key
    return None


def test_no_other_language_is_begun():
    folders = {path.relative_to(DOCS).as_posix() for path in DOCS.glob("*/*")}
    assert folders == {f"{kind}/{locale}.md" for kind, locale in product(NODES, WRITING)}


@every_page
def test_each_line_is_of_the_same_kind_with_the_same_links_and_names_and_none_of_its_numbers_is_lost(kind, locale):
    for english, other in lines(kind, locale):
        assert shape(other) == shape(english)
        lost = set(re.findall(r"\d+(?:\.\d+)?", CODE.sub("", english))) - set(re.findall(r"\d+(?:\.\d+)?", other))
        assert not lost, f"{lost} of {english}"


@every_page
def test_each_line_is_in_its_own_language(kind, locale):
    prose = [(english, CODE.sub("", other)) for english, other in lines(kind, locale) if re.search("[A-Za-z]", english)]
    assert [english for english, other in prose if not re.search(WRITING[locale], other)] == []


@every_page
def test_each_input_has_the_label_that_the_node_shows_and_the_name_that_the_code_has(kind, locale):
    labels = json.loads(read(LOCALES / locale / "nodeDefs.json"))[kind]["inputs"]
    begins = [f"- {text['name'].removesuffix(f' ({name})')} `{name}`" for name, text in labels.items()]
    written = read(DOCS / kind / f"{locale}.md").splitlines()
    assert [begin for begin in begins if not any(line.startswith(begin) for line in written)] == []


@every_page
def test_each_message_is_quoted_in_the_words_in_which_the_node_says_it(kind, locale):
    """A run's line and the strip are in the page's language; what refuses, and what stands in pictures, is English."""
    texts = in_english(kind)
    own = {key: own_words(locale)[key] for key in texts}
    for english, other in lines(kind, locale):
        keys = [key_of(message, texts, "acted on 0 of … model evaluations: ") for message in messages(english)]
        wanted = [key or message for key, message in zip(keys, messages(english), strict=True)]
        assert [key_of(message, own) or message for message in messages(other)] == wanted
