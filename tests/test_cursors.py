"""The places of `tools/cursors.py`: each names one line, and the halves are equal."""

from __future__ import annotations

import sys
from collections import Counter

import pytest

from tests.docs.pages import ROOT

sys.path.insert(0, str(ROOT / "tools"))

from cursors import Place, first_line, judge, read_places, wilson

PLACES = read_places()


def test_each_half_has_ten_places_in_each_project() -> None:
    counts = Counter((place.file.split("/")[0], place.half) for place in PLACES)
    assert len(counts) == 6
    assert set(counts.values()) == {10}


@pytest.mark.parametrize("place", PLACES, ids=lambda place: f"{place.file}:{place.at.strip()}")
def test_a_place_is_one_line_whose_rest_is_right(place: Place) -> None:
    assert len(place.lines_that_begin()) == 1
    assert place.deleted.strip()
    assert judge(place, place.deleted) == "right"


def test_blanks_do_not_count_and_only_the_first_line_does() -> None:
    place = Place(half="tuned", file="ledger/accounts.py", at="        return self.amount ", also=("> 0",))
    assert judge(place, "<  0\n\n    x = 1") == "right"
    assert judge(place, "> 0") == "right"
    assert judge(place, "> 1") == "wrong"
    assert judge(place, "") == "silent"


def test_first_line_begins_where_the_cursor_is() -> None:
    assert first_line("\n  x") == ""
    assert first_line("a  == b\nc") == "a == b"


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"), [(0, 0, 0.0, 1.0), (0, 30, 0.0, 0.114), (15, 30, 0.332, 0.668)]
)
def test_intervals_are_those_of_wilson(hits: int, of: int, low: float, high: float) -> None:
    found = wilson(hits, of)
    assert found == pytest.approx((low, high), abs=0.001)
