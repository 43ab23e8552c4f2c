"""A pack for the tests: a node whose output fits every input and gives any value, as wildcard nodes of packs do."""

from __future__ import annotations

import json
from typing import Any


class Wildcard(str):
    """A type that is unequal to none, which is how the host lets it in."""

    __slots__ = ()

    def __ne__(self, other: object) -> bool:
        return False


class AnyValue:
    CATEGORY, FUNCTION, RETURN_TYPES = "tests", "read", (Wildcard("*"),)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {"text": ("STRING", {})}}

    def read(self, text: str) -> tuple[Any]:
        return (json.loads(text),)


NODE_CLASS_MAPPINGS = {"SAG tests: any value": AnyValue}
