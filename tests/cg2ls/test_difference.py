from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cg2ls import difference


@given(old=st.text("ab", max_size=40), new=st.text("ab", max_size=40), block=st.integers(1, 50))
def test_outside_of_the_stretch_the_texts_are_the_same_and_it_cannot_shrink(
    old: str, new: str, block: int
) -> None:
    before, difference.BLOCK = difference.BLOCK, block
    try:
        start, end, new_end = difference.difference(old, new)
        assert difference.difference(old.encode(), new.encode()) == (start, end, new_end)
    finally:
        difference.BLOCK = before
    assert old[:start] == new[:start]
    assert old[end:] == new[new_end:]
    assert start <= end <= len(old)
    assert start <= new_end <= len(new)
    inside, new_inside = old[start:end], new[start:new_end]
    if inside and new_inside:
        assert inside[0] != new_inside[0]
        assert inside[-1] != new_inside[-1]


@pytest.mark.parametrize("length", [difference.BLOCK - 1, difference.BLOCK, 3 * difference.BLOCK + 5])
def test_differences_of_long_texts_are_found(length: int) -> None:
    assert difference.difference("a" * length + "b", "a" * length + "cc") == (length, length + 1, length + 2)
    assert difference.difference("b" + "a" * length, "cc" + "a" * length) == (0, 1, 2)
    assert difference.difference("a" * length, "a" * length) == (length, length, length)
