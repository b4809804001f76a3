"""Find where two versions of a text differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, AnyStr

if TYPE_CHECKING:
    from collections.abc import Callable

BLOCK = 1 << 14
"""Characters or bytes compared at once."""


def difference(old: AnyStr, new: AnyStr) -> tuple[int, int, int]:
    """Return the range in which two texts differ: its start in both, its end in the old, its end in the new."""
    limit = min(len(old), len(new))
    start = _shared(lambda low, high: old.startswith(new[low:high], low), limit)
    back = _shared(
        lambda low, high: old.startswith(new[len(new) - high : len(new) - low], len(old) - high),
        limit - start,
    )
    return start, len(old) - back, len(new) - back


def _shared(same: Callable[[int, int], bool], limit: int) -> int:
    """Return the length of the common prefix, at most `limit`, comparing piece by piece."""
    low = 0
    while low < limit and same(low, min(low + BLOCK, limit)):
        low = min(low + BLOCK, limit)
    high = min(low + BLOCK, limit)
    while low < high:  # same(0, low) is true; the end is in between
        middle = (low + high + 1) // 2
        if same(low, middle):
            low = middle
        else:
            high = middle - 1
    return low
