"""Progress of long measurements."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeVar

T = TypeVar("T")


class Track(Protocol):
    """Shows how many items of a measurement are done."""

    def __call__(self, items: Iterable[T], title: str, total: int) -> Iterable[T]:
        """Yield the items.

        Args:
            items: items that are measured one by one.
            title: name of the items, for people.
            total: number of items.
        """


def untracked(items: Iterable[T], title: str, total: int) -> Iterable[T]:  # noqa: ARG001
    """Yield the items and show nothing."""
    return items
