"""What the pack relies on of its host, read from its own source as Python expressions.

A value of the host's is known by the name that annotates it, one of `sampling/host_types.py`, or by the import that
brings it. What is read from it is added: `ModelPatcher.model.latent_format`, `PostCfgArgs["input"]`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
ROOM = ROOT / "sampling"  # every key that is written out there is the host's
SOURCES = sorted({*ROOT.glob("*.py"), *ROOM.glob("*.py"), *ROOT.glob("pictures/*.py")} - {ROOT / "dev.py"})
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in SOURCES}
TYPES = {n.targets[0].id for n in TREES[ROOM / "host_types.py"].body if isinstance(n, ast.Assign)}
MODULES = {"comfy", "comfy_execution", "nodes", "server", "folder_paths", "node_helpers"}
UNKNOWN = "something without annotation"


class Call(NamedTuple):
    """One call of a host's function, by what it is given."""

    name: str
    positional: int
    keywords: tuple[str, ...]
    starred: bool  # it is given more, unpacked from a sequence


def annotated(annotation: ast.expr | None) -> str | None:
    """The host's type that an annotation names, alone or beside None."""
    name = annotation.left if isinstance(annotation, ast.BinOp) else annotation
    return name.id if isinstance(name, ast.Name) and name.id in TYPES else None


def fields() -> Iterator[tuple[str, str]]:
    """The fields of the pack's classes that hold something of the host's."""
    for node in (n for tree in TREES.values() for c in tree.body if isinstance(c, ast.ClassDef) for n in c.body):
        if isinstance(node, ast.AnnAssign) and (kind := annotated(node.annotation)):
            yield node.target.id, kind


FIELDS = dict(fields())


class Function:
    """The host's values in one function of the pack."""

    def __init__(self, node: ast.FunctionDef, unknown: str | None) -> None:
        """`unknown` stands for an owner of which nothing is known; None: what it owns is of no interest."""
        self.nodes, self.unknown = sorted(ast.walk(node), key=lambda n: getattr(n, "lineno", 0)), unknown
        self.known: dict[str, str] = {}  # by the function's own names
        for part in self.nodes:
            self.known |= {name: kind for name, kind in self.named(part) if kind}

    def named(self, node: ast.AST) -> Iterator[tuple[str, str | None]]:
        """The names that a node gives to values, and what of the host's these are."""
        match node:
            case ast.Assign([ast.Name(name)], value) | ast.AnnAssign(ast.Name(name), ast.Name("Any"), value):
                yield name, self.kind(value)
            case ast.arg(name, annotation) | ast.AnnAssign(ast.Name(name), annotation):
                yield name, annotated(annotation)
            case ast.Import(modules):
                yield from ((m.asname or root(m.name), root(m.name)) for m in modules if root(m.name) in MODULES)
            case ast.ImportFrom(str(module), names) if root(module) in MODULES:
                yield from ((n.asname or n.name, f"{module}.{n.name}") for n in names)

    def kind(self, node: ast.AST) -> str | None:
        """What of the host's an expression stands for."""
        match node:
            case ast.Name(name):
                return self.known.get(name)
            case (
                ast.Subscript(owner, ast.Constant(str(key)))
                | ast.Compare(ast.Constant(str(key)), [ast.In() | ast.NotIn()], [owner])
                | ast.Call(ast.Attribute(owner, "get" | "setdefault"), [ast.Constant(str(key)), *_])
            ) if key.isidentifier():
                return self.read(owner, f'["{key}"]')
            case ast.Call(ast.Name("getattr"), [owner, ast.Constant(str(name)), *_]) if name[0] != "_":
                return self.read(owner, f".{name}")
            case ast.Call(ast.Attribute(original, "copy")):
                return self.kind(original)
            case ast.Attribute(owner, name) if name not in dir(dict) and (kind := self.kind(owner)):
                return f"{kind}.{name}"
            case ast.Attribute(_, name):
                return FIELDS.get(name)
            case ast.Call(function, [ast.Constant(str(key))]) if kind := self.kind(function):
                return f'{kind}("{key}")'
            case ast.Call(function) if kind := self.kind(function):
                return f"{kind}()"
        return None

    def read(self, owner: ast.AST, part: str) -> str | None:
        kind = self.kind(owner) or self.unknown
        return kind and kind + part

    def calls(self) -> Iterator[Call]:
        for node in self.nodes:
            if isinstance(node, ast.Call) and (name := self.kind(node.func)):
                starred = any(isinstance(argument, ast.Starred) for argument in node.args)
                words = tuple(sorted(k.arg for k in node.keywords if k.arg))
                yield Call(name, len(node.args) - starred, words, starred)


def root(module: str) -> str:
    return module.split(".")[0]


def functions() -> Iterator[Function]:
    """Of the whole pack."""
    for path, tree in TREES.items():
        for node in (n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)):
            yield Function(node, UNKNOWN if path.is_relative_to(ROOM) else None)


def names() -> set[str]:
    """Everything of the host's that is used, each as the longest expression that reads it."""
    found = {kind.removesuffix("()") for function in functions() for kind in map(function.kind, function.nodes) if kind}
    begun = {name[:end] for name in found for end in range(len(name)) if name[end] in ".[("}
    return found - begun - TYPES


def calls() -> set[Call]:
    """Every call of a host's function."""
    return {call for function in functions() for call in function.calls()}
