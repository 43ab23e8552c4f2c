"""The sentences of a run's line: each is said somewhere, with the words that it wants."""

import ast
import re
from pathlib import Path

import pytest

from sag_delayed_activation.sampling import sentences
from sag_delayed_activation.sampling.sentences import REASONS, REMEDIES, REMEDY_OF, SENTENCES, GuidanceSkipped, Phrase
from sag_delayed_activation.sampling.settings import ADVANCED

ROOM = Path(sentences.__file__).parent
WORDS_ALONE = {"negative", "positive", "input", "middle", "output"}  # their keys are values of the code's


def keys(argument):
    """What a call is given as its key: a text, or one of two."""
    return [keys(argument.body)[0], keys(argument.orelse)[0]] if isinstance(argument, ast.IfExp) else [argument.value]


def said():
    """Key and words of every sentence in the code."""
    trees = [ast.parse(path.read_text()) for path in ROOM.glob("*.py") if path.name != "sentences.py"]
    calls = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call)]
    for call in calls:
        if ast.unparse(call.func) in ("GuidanceSkipped", "Phrase.of"):
            yield from ((key, {word.arg for word in call.keywords}) for key in keys(call.args[0]))


def wanted(key):
    return set(re.findall(r"{(\w+)}", (SENTENCES | REASONS)[key]))


def test_every_sentence_is_said_with_its_words_and_no_other_is():
    assert {key for key, _ in said()} == (SENTENCES.keys() | REASONS.keys()) - WORDS_ALONE
    assert [(key, words) for key, words in said() if words != wanted(key)] == []


def test_a_sentence_within_a_sentence_is_filled_in():
    reason = Phrase.of("promptNotRun", role=Phrase("negative"))
    assert str(Phrase.of("because", number=2, reason=reason)) == "2 because the UNet did not run the negative prompt"
    assert Phrase.of("because", number=2, reason=reason).for_page() == {
        "key": "because",
        "words": {"number": 2, "reason": {"key": "promptNotRun", "words": {"role": {"key": "negative", "words": {}}}}},
    }


def test_an_error_says_its_reason_in_english():
    with pytest.raises(GuidanceSkipped, match="^a latent of 8x4 is too small to blur$"):
        raise GuidanceSkipped("tooSmall", height=8, width=4)


def test_where_a_remedy_names_a_node_it_is_the_advanced_one_by_its_name():
    named = [text for text in REMEDIES.values() if "SAG" in text]
    assert len(named) == 3 and [text for text in named if ADVANCED not in text] == []


def test_each_remedy_is_one_of_something_that_can_be_said():
    assert {*REMEDY_OF.values()} == REMEDIES.keys()
    assert REMEDY_OF.keys() <= SENTENCES.keys() | REASONS.keys()
