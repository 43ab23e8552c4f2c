"""What the pack's code can say: the templates of its texts, and whether a quoted message is made of them."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from sag_delayed_activation.sampling.sentences import REASONS

ROOT = Path(__file__).parents[2]
ROOMS = (ROOT, ROOT / "sampling", ROOT / "pictures")
SOURCES = [path for room in ROOMS for path in room.glob("*.py") if path.name != "dev.py"]
ELLIPSIS = "…"  # in a quote: a name or a value
WORD = "(.+?)"  # what is filled in


def template(node: ast.AST) -> str | None:
    """A text in the code as a regular expression, a group where a value is filled in; None for texts without words."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        parts = [node]
    elif isinstance(node, ast.JoinedStr):
        parts = node.values
    else:
        return None
    fixed = [part.value if isinstance(part, ast.Constant) else None for part in parts]
    if not re.search(r"[a-z]{3}", "".join(text or "" for text in fixed)):
        return None
    return "".join(WORD if text is None else as_pattern(text) for text in fixed)


def as_pattern(text: str) -> str:
    """A text with places to fill in, as a regular expression."""
    return re.sub(r"%s|\\{\w+\\}", WORD, re.escape(text))


def templates() -> set[str]:
    """Of all texts in the pack's modules."""
    code = [ast.parse(path.read_text(encoding="utf-8")) for path in SOURCES]
    return {found for tree in code for node in ast.walk(tree) if (found := template(node))}


def reasons() -> set[str]:
    """Patterns of the reasons why guidance did not act."""
    return {as_pattern(text) for text in REASONS.values()}


def is_said(quote: str, known: set[str]) -> bool:
    """Whether `quote` is one of the templates, filled in with single words, with `…`, or with texts of the pack's."""
    if " " not in quote:
        return True
    matches = (re.fullmatch(pattern, quote) for pattern in known)
    return any(match and all(is_said(value, known) for value in match.groups()) for match in matches)
