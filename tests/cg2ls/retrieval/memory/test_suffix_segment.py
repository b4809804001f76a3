"""Contexts and the tokens after them, compared with a search over all contexts."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cg2ls.retrieval.memory.suffix_segment import (
    DEPTH,
    TOKEN,
    Segment,
    backwards,
    following,
    matched,
    sort_suffixes,
)
from tests.cg2ls.retrieval.memory.brute_force import matches

END = 7
TOKENS = st.lists(st.integers(0, 3), max_size=60)


def array(tokens: list[int]) -> np.ndarray:
    return np.array(tokens, np.uint16)


def found(segment: Segment, context: list[int], each_side: int = 10_000) -> Counter[tuple[int, int]]:
    key = np.array(context[::-1][:DEPTH], TOKEN).tobytes()
    near = segment.neighbours(key, each_side)
    rows = near.rows[near.counts]
    return Counter(zip(matched(rows, key).tolist(), following(rows).tolist(), strict=True))


@given(
    files=st.lists(TOKENS, min_size=1, max_size=5),
    context=st.lists(st.integers(0, 3), min_size=1, max_size=50),
)
def test_all_entries_are_found_with_their_match_and_their_token(
    files: list[list[int]], context: list[int]
) -> None:
    segment = Segment.of([array(tokens) for tokens in files], END)
    assert found(segment, context) == matches(files, context, END)


@given(
    files=st.lists(TOKENS, min_size=1, max_size=5),
    context=st.lists(st.integers(0, 3), min_size=1, max_size=50),
)
def test_the_nearest_entries_are_the_longest_matches(files: list[list[int]], context: list[int]) -> None:
    segment = Segment.of([array(tokens) for tokens in files], END)
    everything = matches(files, context, END)
    some = found(segment, context, each_side=4 + len(files))  # the ends of files are among them
    if everything:
        assert max(some)[0] == max(everything)[0]
    assert some <= everything


@given(files=st.lists(TOKENS, min_size=1, max_size=5), data=st.data())
def test_a_context_copied_from_a_file_is_matched_whole(files: list[list[int]], data: st.DataObject) -> None:
    longest = max(files, key=len)
    if len(longest) < 2:
        return
    at = data.draw(st.integers(1, len(longest) - 1))
    start = data.draw(st.integers(0, at - 1))
    near = found(Segment.of([array(tokens) for tokens in files], END), longest[start:at], each_side=10_000)
    assert near[min(at - start, DEPTH), longest[at]]


def test_match_of_any_length_is_found() -> None:
    """Two contexts that differ only far beyond DEPTH are ordered by that difference."""
    tail = [1] * (3 * DEPTH)
    segment = Segment.of([array([0, *tail, 2]), array([3, *tail, 4])], END)
    key = np.array([3, *tail][::-1], TOKEN).tobytes()
    at = segment.search(key)
    place = int(np.frombuffer(segment._order.tobytes(), np.uint32)[at])
    assert segment.span(place - 1, place).tolist() == [4]


def test_no_match_crosses_a_file_boundary() -> None:
    segment = Segment.of([array([1, 2]), array([3, 1])], END)
    assert found(segment, [1, 2]) == matches([[1, 2], [3, 1]], [1, 2], END)
    assert 3 not in {token for length, token in found(segment, [1, 2]) if length}


def test_a_files_start_is_a_context_too() -> None:
    segment = Segment.of([array([5, 1]), array([5, 2]), array([1, 5, 3])], END)
    assert {token for length, token in found(segment, [END, 5]) if length == 2} == {1, 2}


def test_an_empty_segment_finds_nothing() -> None:
    assert not found(Segment.of([], END), [1, 2])


def test_a_damaged_order_is_noticed() -> None:
    text = backwards([array(list(range(6)) * 50)], END)
    order = sort_suffixes(text)
    Segment(text.tobytes(), order.tobytes(), END).check()
    for damaged in (order[::-1], order + np.uint32(1)):
        with pytest.raises(ValueError, match=r"order is wrong|outside of the text"):
            Segment(text.tobytes(), np.ascontiguousarray(damaged).tobytes(), END).check()
