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
    return "".join("(.+?)" if text is None else re.escape(text) for text in fixed).replace("%s", "(.+?)")


def templates() -> set[str]:
    """Of all texts in the pack's modules."""
    code = [ast.parse(path.read_text(encoding="utf-8")) for path in SOURCES]
    return {found for tree in code for node in ast.walk(tree) if (found := template(node))}


def reasons() -> set[str]:
    """Of what GuidanceSkipped is raised with: why guidance did not act."""
    code = [ast.parse(path.read_text(encoding="utf-8")) for path in SOURCES]
    raised = [n for tree in code for n in ast.walk(tree) if isinstance(n, ast.Call) and n.args]
    named = [n.args[0] for n in raised if isinstance(n.func, ast.Name) and n.func.id == "GuidanceSkipped"]
    return {found for node in named if (found := template(node))}


def is_said(quote: str, known: set[str]) -> bool:
    """Whether `quote` is one of the templates, filled in with single words, with `…`, or with texts of the pack's."""
    if " " not in quote:
        return True
    matches = (re.fullmatch(pattern, quote) for pattern in known)
    return any(match and all(is_said(value, known) for value in match.groups()) for match in matches)
