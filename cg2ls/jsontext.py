"""Read and write standard JSON, without NaN and infinity."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, NoReturn

from cg2ls.errors import Cg2Error


class NotFiniteError(Cg2Error):
    """A number is NaN or infinite, which JSON cannot represent."""


def json_text(value: object, *, indent: int | None = None, origin: str = "the result") -> str:
    """Write a value as JSON.

    Args:
        value: a value of dicts, lists, strings, numbers, booleans and None.
        indent: see `json.dumps`.
        origin: name of the value, for the error.

    Raises:
        NotFiniteError: a number in it is NaN or infinite; the error names it.
    """
    if found := _not_finite(value, ""):
        raise NotFiniteError(f"{origin}: {found}, which JSON cannot represent.")
    return json.dumps(value, indent=indent, allow_nan=False)


def json_value(text: str) -> Any:
    """Read JSON.

    Raises:
        ValueError: the text is not JSON, or contains NaN, an infinity, or a number too large for a float.
    """
    return json.loads(text, parse_constant=_refuse, parse_float=_finite)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"it contains {constant}, which is no number of JSON's")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"it contains {digits}, which is too large")
    return number


def _not_finite(value: object, at: str) -> str:
    """Describe the first number that is not finite; "" if there is none."""
    if isinstance(value, float):
        return "" if math.isfinite(value) else f"{at or 'the number'} is {value}"
    parts: list[tuple[str, object]] = []
    if isinstance(value, Mapping):
        parts = [(f"{at}.{key}" if at else str(key), part) for key, part in value.items()]
    elif isinstance(value, list | tuple):
        parts = [(f"{at}[{index}]", part) for index, part in enumerate(value)]
    return next((found for name, part in parts if (found := _not_finite(part, name))), "")
