"""The kind of position depends on the cursor's line alone."""

from __future__ import annotations

import pytest

from cg2ls.completion.prompt.cursor import Cursor, find_place_kind


def at(art: str) -> Cursor:
    """Return the cursor at the ‸ of cursor art."""
    return Cursor.at(art.replace("‸", ""), art.index("‸"))


def test_the_line_is_split_at_the_cursor():
    cursor = at("one\ntw‸o\nthree\n")
    assert (cursor.line_before, cursor.line_after) == ("tw", "o")
    assert cursor.following_line == "three"


@pytest.mark.parametrize("end", ["\r\n", "\r", "\n"])
def test_line_ends_become_line_feeds(end):
    cursor = at(f"one{end}tw‸o{end}three")
    assert cursor.text == "one\ntwo\nthree"
    assert cursor.line_before == "tw"


def test_between_carriage_return_and_line_feed_counts_as_before_both():
    cursor = Cursor.at("one\r\ntwo", 4)
    assert (cursor.text, cursor.offset) == ("one\ntwo", 3)


def test_following_line_skips_blank_lines_and_may_be_missing():
    assert at("a‸\n\n  \n  b  \nc").following_line == "  b"
    assert at("a‸\n \n").following_line == ""


@pytest.mark.parametrize(
    ("art", "is_mid_line", "suffix"),
    [
        ("f(‸)\nnext", False, "next"),
        ('f("‸"):  \nnext', False, "next"),
        ("f(‸", False, ""),
        ("f(‸a)\nnext", True, "a)\nnext"),
        ("x = ‸ + 1\nnext", True, " + 1\nnext"),
    ],
)
def test_the_suffix_begins_after_closers_but_before_code(art, is_mid_line, suffix):
    cursor = at(art)
    assert cursor.is_mid_line is is_mid_line
    assert cursor.text[cursor.suffix_start :] == suffix


@pytest.mark.parametrize("char", ["é", "‸", "🦉"])
def test_a_document_with_other_characters_stays_the_same_object(char: str) -> None:
    text = "x = 1\n" * 10 + char
    assert Cursor.at(text, 3).text is text


def test_lone_surrogate_is_replaced_at_any_position() -> None:
    assert Cursor.at("é\ud800x", 3).text == "é\ufffdx"


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("", "line_start"),
        ("        ", "line_start"),
        ("\t", "line_start"),
        ("return ", "word_start"),
        ("self.", "word_start"),
        ("x =", "word_start"),
        ("ret", "in_word"),
        ("self._", "in_word"),
        ("größe", "in_word"),
        ("call(", "after_open"),
        ("[{", "after_open"),
        ("x = '", "after_open"),
        ("x = ''", "word_start"),
        ("f(x)", "word_start"),
    ],
)
def test_kind(line, kind):
    text = "above = 1\n" + line
    assert find_place_kind(Cursor(text, len(text))) == kind
