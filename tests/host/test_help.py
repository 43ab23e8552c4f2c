"""The in-app help says what is there: every input with its range, and messages that the code has. README says less.

So do the examples' notes: what they name is on the screen, or they say where.
"""

import json
import re
from pathlib import Path

import pytest
from examples import EXAMPLES
from said import ELLIPSIS, is_said, reasons, templates

from sag_delayed_activation import NODE_CLASS_MAPPINGS as NODES

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "web" / "docs"
BASIC, ADVANCED = "SAG delayed activation", "SAG delayed activation (advanced)"
HOSTS_OWN = ("scheduler", "sampler_name")  # their choices are the host's
# What stands before a quote that does not begin its sentence: a node's name, or what was done.
BEFORE = ("", ": ", f"{ELLIPSIS}: ", f"acted on 0 of {ELLIPSIS} model evaluations: ")
QUOTES = [
    (kind, quote)
    for kind in NODES
    for quote in re.findall(r"`([^`]+)`", (DOCS / f"{kind}.md").read_text(encoding="utf-8").split("## Messages")[1])
    if " " in quote
]


def page(kind):
    return (DOCS / f"{kind}.md").read_text(encoding="utf-8")


def inputs(kind):
    """Its inputs and what the code says of them, by name."""
    kinds = NODES[kind].INPUT_TYPES()
    return {**kinds["required"], **kinds.get("optional", {})}


def entry(name, spec):
    """How an input's line begins: its name, then its default and range, or its choices."""
    kind, *options = spec
    if kind in ("FLOAT", "INT"):
        (o,) = options
        return f"- `{name}`: {o['default']:g}, from {o['min']:g} to {o['max']:g}. "
    if isinstance(kind, list) and name not in HOSTS_OWN:
        return f"- `{name}`: {', '.join(kind[:-1])} or {kind[-1]}. "
    if kind == "STRING":
        return f"- `{name}`: {options[0]['default']}. "
    return f"- `{name}`"


@pytest.fixture(scope="module")
def known():
    return templates()


@pytest.mark.parametrize("kind", NODES)
def test_the_help_lists_each_input_with_its_default_and_range_or_its_choices(kind):
    lines = page(kind).split("## Inputs")[1].split("\n## ")[0].splitlines()
    for name, spec in inputs(kind).items():
        assert any(line.startswith(entry(name, spec)) for line in lines), entry(name, spec)


@pytest.mark.parametrize("kind", NODES)
def test_the_readme_names_each_input_and_where_it_states_a_default_or_choices_they_are_the_codes(kind):
    section = (ROOT / "README.md").read_text(encoding="utf-8").split(f"\n### {kind}\n")[1].split("\n##")[0]
    said_above = inputs(BASIC) if kind == ADVANCED else {}
    assert [name for name in inputs(kind).keys() - said_above if f"`{name}`" not in section] == []
    for line in section.splitlines():
        if stating := re.match(r"- `(\w+)`: ", line):
            assert f"{line} ".startswith(entry(stating[1], inputs(kind)[stating[1]]))


@pytest.mark.parametrize("kind", NODES)
def test_the_help_shows_a_picture_and_links_to_nothing_that_the_page_cannot_resolve(kind):
    """The page resolves relative pictures against the help's folder, and relative links against its own address."""
    pictures = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", page(kind))
    links = re.findall(r"(?<!!)\[[^\]]*\]\(([^)]+)\)", page(kind))
    assert pictures and all((DOCS / name).is_file() for name in pictures)
    assert all(link.startswith("https://") for link in links)


def test_every_picture_beside_the_help_is_shown_by_it():
    shown = {name for kind in NODES for name in re.findall(r"\]\(([^)]+)\)", page(kind))}
    assert {path.name for path in DOCS.iterdir() if path.suffix in (".png", ".jpg")} <= shown


@pytest.mark.parametrize("kind, quote", QUOTES, ids=str)
def test_a_message_quoted_in_the_help_is_one_of_the_codes(known, kind, quote):
    assert any(is_said(before + quote, known) for before in BEFORE)


def test_a_message_that_the_code_does_not_have_would_be_found_out(known):
    assert not is_said("… must be a lucky number, got …", known)
    assert not is_said("the model is too heavy", known)


def test_every_reason_for_not_acting_is_explained_in_the_help():
    quoted = {quote for _, quote in QUOTES}
    unexplained = [r for r in reasons() if not any(re.fullmatch(r, quote) for quote in quoted)]
    assert len(reasons()) > 15 and unexplained == []


def test_the_flow_numbers_are_those_of_sds_sigmas():
    (pairs,) = re.findall(r"SD's ([\d.]+) is ([\d.]+) there, ([\d.]+) is ([\d.]+), ([\d.]+) is ([\d.]+)\.", page(BASIC))
    for of_sd, of_flow in zip(map(float, pairs[::2]), map(float, pairs[1::2]), strict=True):
        assert abs(of_sd / (1 + of_sd) - of_flow) < 1e-3


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_what_a_note_names_is_on_the_screen_or_the_note_says_where_it_is_folded_away(example):
    nodes = json.loads(example.read_text(encoding="utf-8"))["nodes"]
    (note,) = (node["widgets_values"][0] for node in nodes if node["type"] == "MarkdownNote")
    named = set(re.findall(r"\*\*([^*]+)\*\*", note))
    shown = {slot["name"] for node in nodes for slot in (*node["inputs"], *node["outputs"])}
    kinds = [inputs(node["type"]) for node in nodes if node["type"] in NODES]
    folded = {name for kind in kinds for name, (_, *more) in kind.items() if more and more[0].get("advanced")}
    assert named <= shown
    assert not named & folded or "Show advanced inputs" in note
