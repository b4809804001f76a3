"""Entries of files that count, among many that do not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cg2ls.retrieval.memory.index import Index, IndexedFile
from cg2ls.retrieval.memory.suffix_segment import DEPTH, TOKEN, Segment, following, matched
from tests.cg2ls.retrieval.memory.brute_force import matches

END = 7
FILES = st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=40), min_size=2, max_size=8)
CONTEXTS = st.lists(st.integers(0, 3), min_size=1, max_size=6)


def index_of(files: Sequence[Sequence[int]]) -> Index:
    noted = [IndexedFile(f"{number}.py", 0, 0, len(tokens)) for number, tokens in enumerate(files)]
    return Index(noted, Segment.of([np.array(tokens, np.uint16) for tokens in files], END))


def found(
    index: Index, context: Sequence[int], each_side: int, dead: Collection[int] = ()
) -> Counter[tuple[int, int]]:
    """Match lengths and next tokens; none is from a file that does not count."""
    key = np.array(context[::-1][:DEPTH], TOKEN).tobytes()
    near, numbers = index.neighbours(key, each_side, index.alive([f"{number}.py" for number in dead]))
    assert not set(dead) & set(numbers[near.counts].tolist())
    rows = near.rows[near.counts]
    return Counter(zip(matched(rows, key).tolist(), following(rows).tolist(), strict=True))


@given(files=FILES, context=CONTEXTS, data=st.data())
def test_all_entries_of_files_that_count_are_found(
    files: list[list[int]], context: list[int], data: st.DataObject
) -> None:
    dead = data.draw(st.sets(st.integers(0, len(files) - 1)))
    living = [tokens for number, tokens in enumerate(files) if number not in dead]
    assert found(index_of(files), context, 1000, dead) == matches(living, context, END)


@given(files=FILES, context=CONTEXTS, data=st.data())
def test_at_most_the_requested_number_is_found(
    files: list[list[int]], context: list[int], data: st.DataObject
) -> None:
    dead = data.draw(st.sets(st.integers(0, len(files) - 1)))
    living = [tokens for number, tokens in enumerate(files) if number not in dead]
    some = found(index_of(files), context, 2, dead)
    assert some.total() <= 4
    assert some <= matches(living, context, END)


def test_where_the_nearest_do_not_count_the_next_ones_are_found() -> None:
    """At the very start of the order, too, where there is nothing before the context's own place."""
    index = index_of([[0] * 50, [0, 1], [3] * 60])
    assert found(index, [0], 2, dead=[0])[1, 1] == 1
