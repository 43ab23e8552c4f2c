"""What an input takes. A check says what a value must be, and a refusal names the node, the input and the value, too.

A widget's value has been converted by the host. Over a link anything may come, and by API anything may stand in the
place of a link.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

# From the first number to the second, as `number_error` has it; or one of these texts; or one of the host's types.
Taken = tuple[float, float] | tuple[float, float, str] | list[str] | str

FITS: dict[str, Callable[[Any], bool]] = {  # by what the nodes use of it: packs have classes of their own
    "MODEL": lambda value: hasattr(value, "get_model_object"),
    "LATENT": lambda value: isinstance(value, dict) and hasattr(value.get("samples"), "shape"),
    "IMAGE": lambda value: hasattr(value, "shape"),
}


def refusal(node: str, values: Mapping[str, Any], taken: Mapping[str, Taken]) -> str | None:
    """A sentence that names the first of `values` that its input does not take; None if all are right."""
    for name, value in values.items():
        if wrong := error(value, taken[name]):
            return f"{node}: {name} {wrong}, got {value!r:.80}"  # cut, since pictures may come, too
    return None


def error(value: Any, taken: Taken) -> str | None:
    """What `value` must be, if it is not; else None."""
    if isinstance(taken, tuple):
        return number_error(value, *taken)
    if isinstance(taken, list):
        return None if isinstance(value, str) and value in taken else f"must be one of {', '.join(taken)}"
    return None if FITS[taken](value) else f"must be of type {taken}"


def number_error(value: Any, low: float, high: float, where: str = "") -> str | None:
    """What a number must be, if `value` is not: finite, whole if `low` is an int, and from `low` to `high`."""
    if not is_finite(value):
        return "must be a finite number"
    if isinstance(low, int) and value != int(value):
        wrong = "must be a whole number"
    elif not low <= value <= high:
        wrong = f"must be at least {low:g}" if math.isinf(high) else f"must be between {low:g} and {high:g}"
    else:
        return None
    return f"{wrong} where {where}" if where else wrong


def is_finite(value: Any) -> bool:
    """Whether it is a number that a float can hold. A text never is, nor are true and false."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an int of hundreds of digits
        return False
