"""The kind of position depends on the cursor's line alone."""

from __future__ import annotations

import pytest

from cg2ls.completion.prompt.cursor import (
    MAX_SUFFIX_LINES,
    STEP_LINES,
    STRUCTURE_TOKENS,
    Budget,
    Cursor,
    choose_start,
    cut_suffix,
    find_place_kind,
)


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
def test_kind_depends_on_the_line(line, kind):
    text = "above = 1\n" + line
    assert find_place_kind(Cursor(text, len(text))) == kind


def lines(count: int, width: int = 9) -> str:
    return "".join(f"{number:0{width}}\n" for number in range(count))


def test_a_text_that_fits_is_read_from_its_beginning(encode):
    text = lines(20)
    assert choose_start(text, len(text), 1000, encode) == 0


@pytest.mark.parametrize("end_line", [100, 110, 127])
def test_the_start_is_on_the_grid(encode, end_line):
    text = lines(200)
    start = choose_start(text, end_line * 10, 1000, encode)
    assert start % (STEP_LINES * 10) == 0
    assert 375 <= end_line * 10 - start <= 750


def test_lines_too_long_for_the_grid_use_a_finer_one(encode):
    text = lines(40, width=199)
    start = choose_start(text, 39 * 200, 1000, encode)
    assert start % 200 == 0
    assert 375 <= 39 * 200 - start <= 750


def test_a_line_too_long_for_the_window_is_cut(encode):
    text = "x" * 50_000 + "\n"
    start = choose_start(text, len(text), 1000, encode)
    assert 0 < len(text) - start <= 1000


def test_the_suffix_is_a_limited_number_of_whole_lines():
    text = lines(500)
    suffix = cut_suffix(Cursor(text, 9), 100_000)
    assert suffix == text[10 : 10 * (MAX_SUFFIX_LINES + 1)]
    short = cut_suffix(Cursor(text, 9), 10)
    assert short.endswith("\n")
    assert len(short) <= 80


def test_blanks_are_not_a_suffix():
    assert cut_suffix(Cursor("x\n\n  \n", 1), 100) == ""


@pytest.mark.parametrize("context", [16, 64, 128, 1024, 2048])
def test_the_parts_fit_in_the_context(context):
    budget = Budget.share(context, answer_tokens=128, anchor_max_tokens=64)
    assert budget.answer + budget.text + budget.known + STRUCTURE_TOKENS < context
    assert budget.answer > 0
    assert budget.text > budget.suffix >= budget.known >= 0


def test_the_suffix_takes_at_most_a_quarter():
    budget = Budget.share(1024, answer_tokens=128, anchor_max_tokens=64)
    assert budget.suffix <= 1024 / 4
    assert budget.known == 64
