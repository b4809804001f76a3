"""Checked access to a parsed JSON object, with errors that name the key."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cg2ls.errors import Cg2Error


class FieldError(Cg2Error):
    """A missing key, or a value of the wrong type or out of range."""


class Fields:
    """One JSON object; `path` is its place in the file, "" at the top."""

    def __init__(self, raw: object, path: str = "") -> None:
        if not isinstance(raw, Mapping):
            raise FieldError(f"{path or 'the file'} must be a JSON object.")
        self._raw: Mapping[str, Any] = raw
        self._path = path

    def __iter__(self) -> Iterator[str]:
        return iter(self._raw)

    def __contains__(self, name: str) -> bool:
        return name in self._raw

    def integer(self, name: str, *, at_least: int, below: int | None = None) -> int:
        """Return a whole number in [at_least, below)."""
        value: object = self._value(name)
        if isinstance(value, bool) or not isinstance(value, int):
            raise FieldError(f"{self._at(name)} must be a whole number.")
        if value < at_least or (below is not None and value >= below):
            bound = f"at least {at_least}" + (f" and below {below}" if below is not None else "")
            raise FieldError(f"{self._at(name)} is {value}, but must be {bound}.")
        return int(value)

    def has_value(self, name: str) -> bool:
        """Return whether a key exists and is not null."""
        return self._raw.get(name) is not None

    def integers(self, name: str, *, at_least: int, below: int) -> tuple[int, ...]:
        """Return a list of whole numbers in [at_least, below)."""
        value = self._value(name)
        if not isinstance(value, list):
            raise FieldError(f"{self._at(name)} must be a list of whole numbers.")
        items = Fields({str(at): item for at, item in enumerate(value)}, self._at(name))
        return tuple(items.integer(at, at_least=at_least, below=below) for at in items)

    def optional_number(self, name: str) -> float | None:
        """Return a finite number; None where the key is missing or null."""
        return None if self._raw.get(name) is None else self._number(name)

    def number(self, name: str) -> float:
        """Return a finite number."""
        return self._number(name)

    def numbers(self) -> dict[str, float]:
        """Return every value of this object, all finite numbers."""
        return {name: self._number(name) for name in self._raw}

    def text(self, name: str, *, empty: bool = True, among: Sequence[str] | None = None) -> str:
        """Return a string; with `among`, one of these."""
        value = self._value(name)
        if not isinstance(value, str) or (not empty and not value):
            raise FieldError(f"{self._at(name)} must be {'a' if empty else 'a non-empty'} string.")
        if among is not None and value not in among:
            raise FieldError(f"{self._at(name)} is {value!r}, but must be one of {', '.join(among)}.")
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """Return a list of strings."""
        value = self._value(name)
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise FieldError(f"{self._at(name)} must be a list of strings.")
        return tuple(value)

    def boolean(self, name: str) -> bool:
        """Return a boolean."""
        value = self._value(name)
        if not isinstance(value, bool):
            raise FieldError(f"{self._at(name)} must be true or false.")
        return value

    def object(self, name: str) -> Fields:
        """Return an object inside this one."""
        return Fields(self._value(name), self._at(name))

    def _number(self, name: str) -> float:
        value = self._value(name)
        try:
            number = math.nan if isinstance(value, bool | str) else float(value)
        except (TypeError, OverflowError):
            number = math.nan
        if not math.isfinite(number):
            raise FieldError(f"{self._at(name)} must be a number.")
        return number

    def _value(self, name: str) -> Any:
        if name not in self._raw:
            raise FieldError(f"{self._at(name)} is missing.")
        return self._raw[name]

    def _at(self, name: str) -> str:
        return f"{self._path}.{name}" if self._path else name
