"""Other words for the nodes. The search of ComfyUI 0.11 and newer knows them; the page's tests look there."""

import pytest

from sag_delayed_activation import NODE_CLASS_MAPPINGS


@pytest.mark.parametrize(
    "asked, answers",
    [
        ("SAG", list(NODE_CLASS_MAPPINGS)),
        ("self attention guidance", ["SAG delayed activation", "SAG delayed activation (advanced)"]),
        ("SAG fade", ["SAG delayed activation (advanced)"]),
        ("percent to sigma", ["SAG sigma window"]),
        ("show attention", ["SAG mask preview"]),
    ],
)
def test_what_users_ask_for_names_the_nodes_that_answer(asked, answers):
    assert [name for name, node in NODE_CLASS_MAPPINGS.items() if asked in node.SEARCH_ALIASES] == answers
