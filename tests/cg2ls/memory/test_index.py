"""Entries of files that count, where many beside them do not."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cg2ls.memory.index import Index, IndexedFile
from cg2ls.memory.segment import DEPTH, TOKEN, Segment, following, matched

END = 7
FILES = st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=40), min_size=2, max_size=8)


@given(files=FILES, context=st.lists(st.integers(0, 3), min_size=1, max_size=6), data=st.data())
def test_dead_files_are_passed_over_and_the_nearest_of_the_others_are_found(
    files: list[list[int]], context: list[int], data: st.DataObject
) -> None:
    """The same as in an index that never had them, as far as lengths go."""
    dead = data.draw(st.sets(st.integers(0, len(files) - 1), max_size=len(files) - 1))
    key = np.array(context[::-1][:DEPTH], TOKEN).tobytes()

    def lengths(index: Index, alive: np.ndarray | None) -> list[int]:
        near, numbers = index.neighbours(key, 2, alive)
        rows = near.rows[near.counts]
        assert not {f"{number}.py" for number in dead} & {
            index.files[each].path for each in numbers[near.counts]
        }
        assert END not in following(rows)
        return sorted(matched(rows, key).tolist())

    def index_of(numbers: list[int]) -> Index:
        noted = [IndexedFile(f"{number}.py", 0, 0, len(files[number])) for number in numbers]
        return Index(noted, Segment.of([np.array(files[number], np.uint16) for number in numbers], END))

    whole = index_of(list(range(len(files))))
    found = lengths(whole, whole.alive([f"{number}.py" for number in dead]))
    without = lengths(index_of([number for number in range(len(files)) if number not in dead]), None)
    assert max(found, default=0) == max(without, default=0)
