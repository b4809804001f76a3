"""Edit similarity."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cg2ls.evaluation.quality.similarity import edit_similarity


def longest_common(one: str, other: str) -> int:
    @cache
    def table(i: int, j: int) -> int:
        if i == len(one) or j == len(other):
            return 0
        if one[i] == other[j]:
            return 1 + table(i + 1, j + 1)
        return max(table(i + 1, j), table(i, j + 1))

    return table(0, 0)


@given(st.text("abc", max_size=12), st.text("abc", max_size=12))
def test_it_is_twice_the_longest_common_subsequence_by_both_lengths(one, other):
    expected = 2 * longest_common(one, other) / (len(one) + len(other)) if one or other else 1
    assert edit_similarity(one, other) == pytest.approx(expected)


def test_examples():
    assert edit_similarity("return x", "return x") == 1
    assert edit_similarity("abc", "xyz") == 0
    assert edit_similarity("", "x") == 0
    assert edit_similarity("ab", "abab") == pytest.approx(4 / 6)
