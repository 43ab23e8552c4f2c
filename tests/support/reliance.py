"""What the pack relies on of its host, read from its own source: names, calls, and keys of the host's dicts."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
SOURCES = sorted({*ROOT.glob("*.py"), *ROOT.glob("sampling/*.py"), *ROOT.glob("pictures/*.py")} - {ROOT / "dev.py"})
HOST_VALUES = {"model", "patched", "model_sampling", "unet", "active", "latent_format"}  # variables of its objects
READERS = {"get", "setdefault", "get_model_object"}  # methods whose first argument is a key
OWN_DICTS = {"values", "given", "scope", "ranges", "shown"}  # variables that hold dicts of the pack's own


class Call(NamedTuple):
    """One call of a host's function, by what it is given."""

    name: str
    positional: int
    keywords: tuple[str, ...]
    starred: bool  # it is given more, unpacked from a sequence


def host_imports(tree: ast.Module) -> dict[str, str]:
    """What the file imports from the host: its name there, and here."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported = [name for name in node.names if is_host(name.name)]
            found |= {name.asname or name.name.split(".")[0]: name.name.split(".")[0] for name in imported}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and is_host(node.module):
            found |= {name.asname or name.name: f"{node.module}.{name.name}" for name in node.names}
    return found


def is_host(module: str) -> bool:
    return module.split(".")[0] in {"comfy", "nodes", "folder_paths", "node_helpers"}


def chain(node: ast.AST, roots: dict[str, str]) -> str | None:
    """`a.b().c` of an expression that begins with one of `roots`; None for others."""
    if isinstance(node, ast.Name):
        return roots.get(node.id)
    inner = node.func if isinstance(node, ast.Call) else node.value if isinstance(node, ast.Attribute) else None
    before = chain(inner, roots) if inner is not None else None
    if before is None:
        return None
    return f"{before}()" if isinstance(node, ast.Call) else f"{before}.{node.attr}"


def trees() -> Iterator[tuple[ast.Module, dict[str, str]]]:
    """Each source file, with the names in it that stand for something of the host's."""
    for path in SOURCES:
        tree = ast.parse(path.read_text())
        yield tree, {name: name for name in HOST_VALUES} | host_imports(tree)


def names() -> set[str]:
    """Every host name that is used, with the attributes that are read from it."""
    found = set()
    for tree, roots in trees():
        found |= set(roots.values()) - HOST_VALUES
        found |= {name for node in ast.walk(tree) if isinstance(node, ast.Attribute) and (name := chain(node, roots))}
        found |= {f"{owner}.{attribute}" for owner, attribute in asked_by_getattr(tree)}
    return found - modules()


def asked_by_getattr(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "getattr":
            owner, attribute = node.args[:2]
            if isinstance(owner, ast.Name) and isinstance(attribute, ast.Constant) and not dunder(attribute.value):
                yield owner.id, attribute.value


def dunder(name: str) -> bool:
    return name.startswith("__")


def modules() -> set[str]:
    """The host's modules that are imported, with the packages they lie in."""
    found = set()
    for tree, _ in trees():
        for node in ast.walk(tree):
            imported = [name.name for name in node.names] if isinstance(node, ast.Import) else []
            for module in filter(is_host, imported):
                found |= {module.rsplit(".", n)[0] for n in range(module.count(".") + 1)}
    return found


def calls() -> set[Call]:
    """Every call of a host's function."""
    found = set()
    for tree, roots in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and (name := chain(node.func, roots)):
                starred = any(isinstance(argument, ast.Starred) for argument in node.args)
                words = tuple(sorted(k.arg for k in node.keywords if k.arg))
                found.add(Call(name, len(node.args) - starred, words, starred))
    return found


def keys() -> set[str]:
    """Every key, written out, that is looked up in a dict which is not the pack's own."""
    found = set()
    for tree, _ in trees():
        for node in ast.walk(tree):
            owner, key = looked_up(node)
            own = isinstance(owner, ast.Name) and owner.id in OWN_DICTS
            word = key.value if isinstance(key, ast.Constant) else None
            if isinstance(word, str) and word.isidentifier() and not own:
                found.add(word)
    return found


def looked_up(node: ast.AST) -> tuple[ast.AST | None, ast.AST | None]:
    """The dict and the key of `d[key]`, `d.get(key)` and `key in d`."""
    if isinstance(node, ast.Subscript):
        return node.value, node.slice
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in READERS:
        return node.func.value, node.args[0]
    if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.In | ast.NotIn):
        return node.comparators[0], node.left
    return None, None
