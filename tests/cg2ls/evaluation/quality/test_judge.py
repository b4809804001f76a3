"""What was shown beside what was written. The passage is cut at |; closers behind it stand there already."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cg2ls.evaluation.quality.judge import compute_edit_similarity, judge
from cg2ls.evaluation.simulation.passage import Passage


def passage(art: str, above: str = "") -> Passage:
    made = Passage("\n" + art.replace("|", ""), above)
    made.advance(1 + art.index("|"))
    return made


@pytest.mark.parametrize(
    ("art", "text", "replace_length", "exact", "whole"),
    [
        ("x = |a + b", "a + b", 0, True, True),
        ("x = |a + b", "a + c", 0, False, False),
        ("x = |a + b", "a", 0, False, False),
        ("f(|a, b)", "a, b", 0, True, True),
        ("f(|a, b):", "a, b):", 1, True, True),
        ("f(|a, b)", "a, b)", 0, False, False),
        ("if x:|\n    a\n    b", "\n    a", 0, True, True),
        ("if x:|\n    a\n    b", "\n    a\n    c", 0, True, False),
        ("if x:|\n    a\n    b", "\n    a\n    b", 0, True, True),
        ("x|\n\ny", "\n\ny", 0, True, True),
        ("x|", "\ny", 0, False, False),
        ("x|", " + 1", 0, False, False),
        ("x = |a  ", "a", 0, True, True),
    ],
)
def test_verdicts(art, text, replace_length, exact, whole):
    found = judge(passage(art), text, replace_length)
    assert found.shown
    assert (found.exact_line, found.whole) == (exact, whole)


def test_nothing_shown():
    assert judge(passage("x = |a"), "", 0).shown is False


def test_similarity_is_of_the_rest_of_the_line():
    assert judge(passage("some = |abcd"), "abxd", 0).similarity == pytest.approx(0.75)
    assert judge(passage("f(|abcd)"), "abcd", 0).similarity == 1


def test_a_line_indented_as_the_block_that_ended_is_wrong():
    made = Passage("\nelse:", line_above="        f()")
    made.press_next_key()
    assert made.line_before == "        "
    assert not judge(made, "else:", 0).exact_line


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
    assert compute_edit_similarity(one, other) == pytest.approx(expected)


def test_examples():
    assert compute_edit_similarity("return x", "return x") == 1
    assert compute_edit_similarity("abc", "xyz") == 0
    assert compute_edit_similarity("", "x") == 0
    assert compute_edit_similarity("ab", "abab") == pytest.approx(4 / 6)
