"""Edits against a naive reference, in every position encoding."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lsprotocol import types

from cg2ls.server.documents import Documents, NotOpenError
from cg2ls.server.snapshot import (
    BLOCK_LINES,
    Lines,
    PositionError,
    index_in,
    split_lines,
    units,
    with_newlines,
)

URI = "file:///a"
ENCODINGS = ["utf-8", "utf-16", "utf-32"]
UNIT = {"utf-8": 1, "utf-16": 2, "utf-32": 4}
TEXT = st.text(alphabet="ab\n\r\x0c\u2028é€😀", max_size=30)
PLACE = st.tuples(st.integers(0, 8), st.integers(0, 12))


def opened(text: str, encoding: str = "utf-16") -> Documents:
    documents = Documents()
    documents.encoding = encoding
    documents.open(types.TextDocumentItem(URI, "python", 1, text))
    return documents


def edit(documents: Documents, start, end, text: str) -> None:
    change = types.TextDocumentContentChangePartial(
        range=types.Range(types.Position(*start), types.Position(*end)), text=text
    )
    documents.change(types.VersionedTextDocumentIdentifier(2, URI), [change])


def reference_offset(text: str, line: int, column: int, encoding: str) -> int:
    """Offset of a position, computed on the bytes of the whole text."""
    starts = [0, *(found.end() for found in re.finditer(r"\r\n|\r|\n", text))]
    if line >= len(starts):
        return len(text)
    content = re.match(r"[^\r\n]*", text[starts[line] :]).group()
    name = encoding if encoding == "utf-8" else f"{encoding}-le"
    raw = content.encode(name)[: column * UNIT[encoding]]
    return starts[line] + len(raw.decode(name, errors="ignore"))


@given(TEXT, st.lists(st.tuples(PLACE, PLACE, TEXT), max_size=6), st.sampled_from(ENCODINGS))
def test_edits_equal_those_of_one_long_string(text, edits, encoding):
    documents, expected = opened(text, encoding), text
    for first, second, new in edits:
        start, end = sorted((first, second))
        at = reference_offset(expected, *start, encoding)
        until = max(at, reference_offset(expected, *end, encoding))
        expected = expected[:at] + new + expected[until:]
        edit(documents, start, end, new)
        snapshot = documents.snapshot(URI)
        assert snapshot.text == with_newlines(expected)
        assert list(snapshot.lines) == split_lines(expected)


@given(TEXT, PLACE, st.sampled_from(ENCODINGS))
def test_offsets_are_those_of_the_whole_text(text, place, encoding):
    snapshot = opened(text, encoding).snapshot(URI)
    if place[0] < len(snapshot.lines):
        offset = snapshot.offset(types.Position(*place))
        assert offset == len(with_newlines(text[: reference_offset(text, *place, encoding)]))
        assert snapshot.offset(snapshot.position(place[0], offset)) == offset


ENDS = st.sampled_from(["\n", "\r\n", "\r"])


@given(st.data())
def test_many_lines_are_edited_like_few(data):
    numbers = range(
        data.draw(st.sampled_from([1, BLOCK_LINES - 1, BLOCK_LINES, 2 * BLOCK_LINES + 1, 5 * BLOCK_LINES]))
    )
    expected = [f"{number}{data.draw(ENDS) if number % 100 == 0 else chr(10)}" for number in numbers] + [""]
    lines = Lines.of("".join(expected))
    for turn in range(4):
        first = data.draw(st.integers(0, len(expected) - 1))
        last = data.draw(st.integers(first + 1, min(len(expected), first + 3 * BLOCK_LINES)))
        more = data.draw(st.sampled_from([0, 1, 2, 3 * BLOCK_LINES]))
        new = [f"{turn}\n"] * more + ([""] if last == len(expected) else [])
        lines, expected[first:last] = lines.replaced(first, last, new), new
        assert list(lines) == expected
        assert len(lines) == len(expected)
        assert lines.text == with_newlines("".join(expected))
        line = data.draw(st.integers(0, len(expected) - 1))
        assert lines[line] == expected[line]
        assert lines.start_of(line) == len(with_newlines("".join(expected[:line])))


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", [""]),
        ("a\nb\r\nc\rd", ["a\n", "b\r\n", "c\r", "d"]),
        ("a\n", ["a\n", ""]),
        ("a\x0cb\u2028c\x85d\x0be", ["a\x0cb\u2028c\x85d\x0be"]),
    ],
)
def test_only_three_line_ends_count(text, lines):
    assert split_lines(text) == lines


def test_adjacent_halves_of_a_line_end_are_one():
    documents = opened("a\rb")
    edit(documents, (1, 0), (1, 1), "\nb")
    assert list(documents.snapshot(URI).lines) == ["a\r\n", "b"]


def test_snapshot_does_not_change():
    documents = opened("one")
    before = documents.snapshot(URI)
    edit(documents, (0, 0), (0, 3), "two")
    assert (before.text, documents.snapshot(URI).text) == ("one", "two")
    assert (before.version, documents.snapshot(URI).version) == (1, 2)


def test_a_whole_new_text_replaces_the_old():
    documents = opened("one")
    change = types.TextDocumentContentChangeWholeDocument(text="two\n")
    documents.change(types.VersionedTextDocumentIdentifier(2, URI), [change])
    assert documents.snapshot(URI).text == "two\n"


def test_half_a_surrogate_pair_becomes_a_character_of_the_same_length():
    assert opened("a\ud83db").snapshot(URI).text == "a\ufffdb"


def test_a_line_past_the_end_names_the_last_one():
    with pytest.raises(PositionError, match=r"Line 3 .* last line is 1"):
        opened("a\nb").snapshot(URI).offset(types.Position(3, 0))


def test_a_closed_document_is_removed():
    documents = opened("a")
    documents.close(URI)
    with pytest.raises(NotOpenError, match="didOpen"):
        documents.snapshot(URI)


@pytest.mark.parametrize(
    ("encoding", "column", "index"),
    [
        ("utf-16", 2, 1),
        ("utf-16", 3, 2),
        ("utf-8", 2, 1),
        ("utf-8", 5, 2),
        ("utf-32", 2, 2),
        ("utf-8", 99, 3),
    ],
)
def test_a_column_inside_a_character_is_its_beginning(encoding, column, index):
    assert index_in("a😀b", column, encoding) == index


@pytest.mark.parametrize(("encoding", "length"), [("utf-8", 6), ("utf-16", 4), ("utf-32", 3)])
def test_units(encoding, length):
    assert units("a😀b", encoding) == length
