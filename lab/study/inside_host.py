"""The pack's own modules and attributes, as the study needs them: by name, and replaced for a while."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from lab.loading import PACK


def pack(module: str) -> ModuleType:
    """One of the pack's modules."""
    return importlib.import_module(f"{PACK}.{module}")


@contextmanager
def replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    """While it lasts, `owner` has another attribute of this name."""
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)
