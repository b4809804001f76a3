"""Numbers, texts and positions as odd clients write them."""

from __future__ import annotations

import math

import pytest
from lsprotocol import types

from cg2ls.server.fields import (
    MAX_NUMBER,
    UnreadableError,
    flag,
    folder_uri,
    items,
    member,
    position,
    span,
    text,
    whole_number,
)


@pytest.mark.parametrize(
    ("raw", "read"),
    [
        (3, 3),
        (3.0, 3),
        ("3", 3),
        (" -3 ", -3),
        (0, 0),
        (-0.0, 0),
        (2**31, 2**31),
        (2**53, 2**53),
        (1e300, int(1e300)),
        ("9" * 5000, int("9" * 20)),
        (math.inf, MAX_NUMBER),
        (-math.inf, -MAX_NUMBER),
        (math.nan, None),
        (3.5, None),
        ("", None),
        ("-", None),
        ("1.5", None),
        ("٣", None),
        ("0x10", None),
        (True, None),
        (False, None),
        (None, None),
        ([], None),
        ({}, None),
    ],
)
def test_a_whole_number_is_read_however_it_is_written(raw, read):
    assert whole_number(raw) == read
    assert not isinstance(whole_number(raw), (bool, float))


@pytest.mark.parametrize("raw", [None, 5, True, [], {}, 1.5])
def test_other_values_than_text_are_none(raw):
    assert text(raw) is None


@pytest.mark.parametrize(
    ("raw", "is_set"),
    [
        (True, True),
        (1, True),
        ({}, True),
        ("true", True),
        (False, False),
        (None, False),
        (0, False),
        ("", False),
    ],
)
def test_a_flag_is_set_as_clients_set_it(raw, is_set):
    assert flag(raw) is is_set


def test_a_list_may_be_missing_or_a_single_element():
    assert list(items([1, None])) == [1, None]
    assert list(items({"a": 1})) == [{"a": 1}]
    assert list(items(None)) == []
    assert member([], "a") is None


@pytest.mark.parametrize(
    ("line", "character", "read"),
    [
        (1, 2, (1, 2)),
        ("1", 2.0, (1, 2)),
        (4294967295, 2**53, (MAX_NUMBER, MAX_NUMBER)),
        (1, -5, (1, 0)),
        (-1, 5, (0, 0)),
        (math.inf, 0, (MAX_NUMBER, 0)),
    ],
)
def test_a_position_has_its_numbers_within_the_limits_of_lsp(line, character, read):
    assert position({"line": line, "character": character}, "p") == types.Position(*read)


@pytest.mark.parametrize("raw", [None, {}, [0, 0], {"line": 0}, {"line": 0, "character": None}])
def test_a_position_without_a_number_names_the_field(raw):
    with pytest.raises(UnreadableError, match=r"^p\.(line|character) must be a whole number$"):
        position(raw, "p")


def test_a_reversed_range_is_put_in_order():
    ends = {"line": 1, "character": 0}, {"line": 0, "character": 2}
    read = span({"start": ends[0], "end": ends[1]}, "range")
    assert read == types.Range(types.Position(0, 2), types.Position(1, 0))


@pytest.mark.parametrize("raw", [None, "", 5, "file://[x/"])
def test_a_folder_that_no_uri_names_is_none(raw):
    assert folder_uri(raw) is None
