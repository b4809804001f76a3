import pytest

from cg2ls.completion.prompt.cursor import Cursor
from cg2ls.completion.prompt.window import (
    MAX_SUFFIX_LINES,
    STEP_LINES,
    STRUCTURE_TOKENS,
    Budget,
    choose_start,
    cut_suffix,
)


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
