"""What the pack's code can say: the templates of its texts, and whether a quoted message is made of them."""

from __future__ import annotations

import ast
import re

from reliance import SOURCES

ELLIPSIS = "…"  # in a quote: a name or a value


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
    return "".join("(.+?)" if text is None else re.escape(text) for text in fixed)


def templates() -> set[str]:
    """Of all texts in the pack's modules."""
    code = [ast.parse(path.read_text(encoding="utf-8")) for path in SOURCES]
    return {found for tree in code for node in ast.walk(tree) if (found := template(node))}


def is_said(quote: str, known: set[str]) -> bool:
    """Whether `quote` is one of the templates, filled in with single words, with `…`, or with texts of the pack's."""
    if " " not in quote:
        return True
    matches = (re.fullmatch(pattern, quote) for pattern in known)
    return any(match and all(is_said(value, known) for value in match.groups()) for match in matches)
