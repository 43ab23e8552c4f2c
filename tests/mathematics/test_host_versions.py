"""What the hosts of today and of August 2025 do not have alike; no host is needed."""

import importlib.util
import sys
from types import SimpleNamespace

import pytest

from sag_delayed_activation.sampling.host import known_arguments, too_old_error


def precise(q, k, v, heads, mask=None, attn_precision=None, skip_reshape=False):
    """As of 0.3.52."""


def plain(q, k, v, heads, mask=None):
    """As another pack may have it."""


def open_to_all(q, k, v, heads, mask=None, **more):
    """As since 0.3.60."""


@pytest.mark.parametrize(
    "backend, taken",
    [(plain, set()), (precise, {"attn_precision"}), (open_to_all, {"attn_precision", "transformer_options"})],
)
def test_an_attention_backend_is_given_what_it_takes(backend, taken):
    assert {"attn_precision", "transformer_options"} & set(known_arguments(backend)) == taken


@pytest.mark.parametrize(
    "says, found", [({"__version__": "0.3.40"}, "this is ComfyUI 0.3.40,"), ({}, "an older one that does not say")]
)
def test_a_host_without_context_windows_is_too_old_by_its_version(monkeypatch, says, found):
    monkeypatch.setitem(sys.modules, "comfyui_version", SimpleNamespace(**says))
    monkeypatch.setattr(importlib.util, "find_spec", lambda module: None if module == "comfy.context_windows" else 1)
    assert found in too_old_error() and "needs ComfyUI 0.3.52 or newer" in too_old_error()


def test_a_host_with_context_windows_is_new_enough(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda module: 1 if module == "comfy.context_windows" else None)
    assert too_old_error() is None
