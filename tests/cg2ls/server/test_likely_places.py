"""Places follow edits, and the likeliest next ones are found."""

from __future__ import annotations

import pytest
from lsprotocol.types import Position, Range
from lsprotocol.types import TextDocumentContentChangePartial as Partial
from lsprotocol.types import TextDocumentContentChangeWholeDocument as Whole

from cg2ls.server.likely_places import (
    MAX_DOCUMENTS,
    MAX_PLACES,
    NEAR_LINES,
    SHORT_CHARS,
    LikelyPlaces,
    find_block_end,
)
from cg2ls.server.snapshot import Lines, Snapshot

URI, OTHER = "file:///a.py", "file:///b.py"


def snapshot(text: str) -> Snapshot:
    return Snapshot(URI, 1, "python", Lines.of(text), "utf-16")


def insert(line: int, column: int, text: str) -> Partial:
    return Partial(text=text, range=Range(Position(line, column), Position(line, column)))


@pytest.mark.parametrize(
    ("text", "end"),
    [("x", (5, 5)), ("one\ntwo", (6, 3)), ("\U0001f600", (5, 6)), ("a\n\n", (7, 0))],
)
def test_the_place_of_an_edit_is_its_end_in_the_clients_units(text, end):
    places = LikelyPlaces()
    found = places.edited(URI, [insert(5, 4, text)], "utf-16")
    assert found == Position(*end)
    assert places.last_in(URI) == found


def test_places_below_an_edit_move_with_their_lines():
    places = LikelyPlaces()
    places.note((URI, Position(100, 4)))
    places.edited(URI, [insert(0, 0, "import os\nimport re\n")], "utf-16")
    places.edited(URI, [Partial(text="", range=Range(Position(30, 0), Position(35, 0)))], "utf-16")

    assert places._places[URI][0] == Position(97, 4)


def test_a_replaced_document_tells_no_place():
    assert LikelyPlaces().edited(URI, [insert(1, 1, "x"), Whole(text="new")], "utf-16") is None


def test_places_near_each_other_are_one_and_old_ones_are_forgotten():
    places = LikelyPlaces()
    places.note((URI, Position(10, 0)))
    places.note((URI, Position(10 + NEAR_LINES, 0)))
    assert len(places._places[URI]) == 1
    for number in range(2 * MAX_PLACES):
        places.note((URI, Position(100 * number, 0)))
    assert len(places._places[URI]) == MAX_PLACES
    for number in range(2 * MAX_DOCUMENTS):
        places.note((f"file:///{number}.py", Position(1, 0)))
    assert len(places._places) == MAX_DOCUMENTS


def test_the_next_places_are_here_elsewhere_there_and_at_the_end_of_the_block():
    places = LikelyPlaces()
    places.note((OTHER, Position(7, 0)))
    places.note((URI, Position(150, 0)))
    here = URI, Position(1, 4)
    places.note(here)
    text = "def make():\n" + 60 * "    step()\n" + "\nend()\n" + "\n" * 100
    assert list(places.after(here, snapshot(text))) == [
        (URI, Position(150, 0)),
        (OTHER, Position(7, 0)),
        (URI, Position(60, 10)),
    ]


@pytest.mark.parametrize(
    ("text", "line", "end"),
    [
        ("if a:\n    b\n\n    c\nd\n", 1, Position(3, 5)),
        ("if a:\n    b\nd\n", 1, None),
        ("a\nb\nc\n", 0, None),
        ("if a:\n    b\n        c\n", 1, Position(2, 9)),
        ("a", 5, None),
    ],
)
def test_a_block_ends_before_a_line_that_is_less_indented(text, line, end):
    assert find_block_end(snapshot(text), line) == end


def test_only_a_short_document_has_an_end_that_serves_every_place():
    assert LikelyPlaces.end_if_short(snapshot("import os\nx = ")) == Position(1, 4)
    assert LikelyPlaces.end_if_short(snapshot("x" * (SHORT_CHARS + 1))) is None
    assert LikelyPlaces.end_if_short(snapshot("\n" * 1000)) is None
