"""What users get, read and not run: it runs no text, starts nothing, reaches no network, opens no file."""

import ast
import json
import posixpath
import re
import subprocess
import sys

import pytest

BROUGHT_BY_THE_HOST = {"torch", "numpy", "PIL", "comfy", "comfy_execution", "comfyui_version", "nodes", "server"}
STANDARD = {
    "__future__", "collections", "dataclasses", "functools", "importlib", "inspect", "itertools", "logging", "math",
    "re", "textwrap", "typing", "uuid",
}  # fmt: skip
NAMES = {"eval", "exec", "compile", "open", "input", "breakpoint", "__import__", "__builtins__", "__loader__"}
ATTRIBUTES = {
    "load", "save", "hub", "tofile", "fromfile", "memmap", "savetxt", "loadtxt", "write_text", "write_bytes",
    "load_torch_file", "save_torch_file", "import_module", "module_from_spec", "exec_module", "load_module",
    "__import__", "__builtins__", "__globals__", "__subclasses__", "__code__",
}  # fmt: skip
CALLED = {"open"}  # the pack has values of this name, and calls none


def forbidden(source):
    """What of it the pack may not have, in the order of the tree."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import():
                modules = [alias.name for alias in node.names]
            case ast.ImportFrom(level=0):
                modules = [node.module]
            case _:
                modules = []
        yield from (module for module in modules if module.split(".")[0] not in BROUGHT_BY_THE_HOST | STANDARD)
        match node:
            case ast.Name(id=name) if name in NAMES:
                yield name
            case ast.Attribute(attr=name) if name in ATTRIBUTES:
                yield name
            case ast.Call(func=ast.Attribute(attr=name)) if name in CALLED:
                yield name


def test_what_users_get_has_nothing_forbidden_in_it(sources):
    assert {name: list(forbidden(source)) for name, source in sources.items()} == dict.fromkeys(sources, [])


@pytest.mark.parametrize(
    "source, seen",
    [
        ("eval('1')", "eval"),
        ("run = exec", "exec"),
        ("compile('1', '', 'eval')", "compile"),
        ("__import__('os')", "__import__"),
        ("import importlib\nimportlib.import_module('os')", "import_module"),
        ("import os.path", "os.path"),
        ("from subprocess import run", "subprocess"),
        ("def f():\n    import socket", "socket"),
        ("from urllib.request import urlopen", "urllib.request"),
        ("import requests", "requests"),
        ("import http.client", "http.client"),
        ("import pickle", "pickle"),
        ("import torch\ntorch.load('weights.pt')", "load"),
        ("import comfy.utils\ncomfy.utils.load_torch_file('weights.pt')", "load_torch_file"),
        ("open('file', 'w')", "open"),
        ("from PIL import Image\nImage.open('file')", "open"),
        ("from PIL import Image\nImage.new('L', (1, 1)).save('file')", "save"),
        ("().__class__.__base__.__subclasses__()", "__subclasses__"),
    ],
)
def test_the_reading_sees(source, seen):
    assert list(forbidden(source)) == [seen]


WORDS_OF_SCRIPTS = {  # that run a text, make elements of one, or reach out of the page
    "eval", "Function", "setTimeout", "setInterval", "innerHTML", "outerHTML", "insertAdjacentHTML",
    "setHTMLUnsafe", "srcdoc", "DOMParser", "createContextualFragment", "writeln", "script", "iframe", "href", "src",
    "fetch", "fetchApi", "XMLHttpRequest", "WebSocket", "EventSource", "sendBeacon", "RTCPeerConnection", "Worker",
    "importScripts", "serviceWorker", "localStorage", "sessionStorage", "indexedDB", "cookie", "location", "open",
    "postMessage",
}  # fmt: skip
OF_THE_PAGE = {"/scripts/app.js", "/scripts/api.js"}
NAMESPACES = "http://www.w3.org/"  # names of kinds of elements, which nobody fetches
COMMENT = re.compile(r"/\*.*?\*/|(?<![:\"'`])//[^\n]*", re.DOTALL)


def forbidden_in_script(name, source, scripts):
    """What of it the pack may not have: words, imports of what is not its own, addresses."""
    code = COMMENT.sub("", source)
    yield from (word for word in re.findall(r"\w+", code) if word in WORDS_OF_SCRIPTS)
    yield from re.findall(r"""[.["'`]\s*(constructor)\b""", code)  # of a function: it runs a text, as Function does
    for imported in re.findall(r"\bimport\b[^;\n]*", code):
        path = re.fullmatch(r'import (?:\{[^{}]*\}|\w+) from "([^"]+)"', imported)
        own = path and posixpath.normpath(posixpath.join(posixpath.dirname(name), path[1]))
        if not path or not (path[1] in OF_THE_PAGE or own in scripts):
            yield imported
    yield from re.findall(r"""(?:\b\w+:|["'`])//[^\s"'`]*""", code.replace(NAMESPACES, ""))


def test_the_pages_scripts_have_nothing_forbidden_in_them(scripts):
    found = {name: list(forbidden_in_script(name, source, scripts)) for name, source in scripts.items()}
    assert scripts and found == dict.fromkeys(scripts, [])


@pytest.mark.parametrize(
    "source, seen",
    [
        ("strip.innerHTML = text;", "innerHTML"),
        ("strip['outerHTML'] = text;", "outerHTML"),
        ("eval('1');", "eval"),
        ("new Function('1')();", "Function"),
        ("(() => {}).constructor('1')();", "constructor"),
        ("setTimeout('1');", "setTimeout"),
        ("html('script', {});", "script"),
        ("const picture = html('img', { src: '1' });", "src"),
        ("await fetch('/prompt');", "fetch"),
        ("api.fetchApi('/prompt');", "fetchApi"),
        ("new WebSocket(address);", "WebSocket"),
        ("const there = 'https://example.org/x';", "https://example.org/x"),
        ("const there = '//example.org/x';", "'//example.org/x"),
        ("const there = `wss://${host}`;", "wss://${host}"),
        ('import { x } from "https://example.org/x.js";', 'import { x } from "https://example.org/x.js"'),
        ('import { x } from "/extensions/other/x.js";', 'import { x } from "/extensions/other/x.js"'),
        ('import { x } from "./missing.js";', 'import { x } from "./missing.js"'),
        ('import("./strip.js");', 'import("./strip.js")'),
    ],
)
def test_the_reading_of_scripts_sees(source, seen):
    assert seen in list(forbidden_in_script("web/js/x.js", source, {"web/js/strip.js"}))


@pytest.mark.parametrize(
    "source",
    [
        "/* innerHTML, https://example.org */ const a = 1; // eval",
        'import { svg } from "./strip.js";',
        'import { app } from "/scripts/app.js";',
        'document.createElementNS("http://www.w3.org/2000/svg", "g");',
        "const half = (a) => a / 2 / 3;",
    ],
)
def test_the_reading_of_scripts_passes(source):
    assert list(forbidden_in_script("web/js/x.js", source, {"web/js/strip.js"})) == []


def test_ruffs_security_rules_hold_without_exceptions(unpacked):
    words = ["check", "--isolated", "--ignore-noqa", "--select", "S", unpacked]
    assert subprocess.run([sys.executable, "-m", "ruff", *words], capture_output=True).returncode == 0


def texts(value):
    """All strings in what a JSON file holds."""
    if isinstance(value, dict | list):
        for inner in [*value, *value.values()] if isinstance(value, dict) else value:
            yield from texts(inner)
    elif isinstance(value, str):
        yield value


ABSOLUTE = re.compile(r"""(^|[\s"'=:(,])(/[\w.~-]+/|~/|[A-Za-z]:[\\/](?!/)|\\\\\w)""")


def test_the_example_workflows_hold_no_absolute_path(unpacked):
    examples = [json.loads(path.read_text()) for path in unpacked.glob("example_workflows/*.json")]
    assert examples
    assert not [text for example in examples for text in texts(example) if ABSOLUTE.search(text)]


@pytest.mark.parametrize("path", ["/home/me/x", "C:\\models\\x", "D:/models/x", "~/x", "\\\\nas\\x", "in /tmp/x"])
def test_an_absolute_path_is_known(path):
    assert ABSOLUTE.search(path)


@pytest.mark.parametrize("text", ["SD1.5/x.safetensors", "https://example.org/a/b", "6:3 and/or", "sigma: 1/2"])
def test_other_slashes_are_no_path(text):
    assert not ABSOLUTE.search(text)
