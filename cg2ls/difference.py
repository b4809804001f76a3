"""Where two versions of a text differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, AnyStr

if TYPE_CHECKING:
    from collections.abc import Callable

BLOCK = 1 << 14
"""Characters or bytes compared at once."""


def difference(old: AnyStr, new: AnyStr) -> tuple[int, int, int]:
    """The one stretch in which two texts differ: where it starts in both, ends in the old, ends in the new."""
    most = min(len(old), len(new))
    start = _shared(lambda low, high: old.startswith(new[low:high], low), most)
    back = _shared(
        lambda low, high: old.startswith(new[len(new) - high : len(new) - low], len(old) - high), most - start
    )
    return start, len(old) - back, len(new) - back


def _shared(same: Callable[[int, int], bool], most: int) -> int:
    """Length of the common start, at most `most`, of two texts compared piece by piece."""
    low = 0
    while low < most and same(low, min(low + BLOCK, most)):
        low = min(low + BLOCK, most)
    high = min(low + BLOCK, most)
    while low < high:  # same(0, low) holds; the end lies in between
        middle = (low + high + 1) // 2
        if same(low, middle):
            low = middle
        else:
            high = middle - 1
    return low
