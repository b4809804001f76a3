"""When the anchor stays, so that only typed tokens are new, and when it moves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cg2ls.completion.prompt.anchor import MAX_FORCED_CHARS, TextEncoding, heal, place_anchor
from cg2ls.completion.prompt.cursor import Budget, Cursor

BUDGET = Budget(answer=100, known=60, suffix=200, text=1000)
ABOVE = "".join(f"line {number}\n" for number in range(10))
BELOW = "\nbelow = 1\n"


def typed(line: str, below: str = BELOW) -> Cursor:
    return Cursor(ABOVE + line + below, len(ABOVE) + len(line))


def test_an_anchor_is_set_some_lines_above_the_cursor(encode):
    """`MAX_KNOWN_SHARE` of 60 tokens, a byte each, are the typed 3 and 6 lines of 7."""
    placed = place_anchor(typed("x = va"), None, BUDGET, TextEncoding(encode))
    assert placed.anchor.prefix == "".join(f"line {number}\n" for number in range(4))
    assert placed.known_tokens == tuple(encode(ABOVE[4 * 7 :] + "x ="))
    assert placed.forced == " va"


def test_it_is_set_at_the_start_of_the_line_if_the_line_above_is_long(encode):
    text = ABOVE + "y" * 50 + "\nx = va"
    placed = place_anchor(Cursor(text, len(text)), None, BUDGET, TextEncoding(encode))
    assert placed.known_tokens == tuple(encode("x ="))


def test_it_may_be_set_at_the_documents_start(encode):
    placed = place_anchor(Cursor("a\nb", 3), None, BUDGET, TextEncoding(encode))
    assert (placed.anchor.position, placed.anchor.prefix) == (0, "")
    assert placed.known_tokens == tuple(encode("a\n"))


def test_it_stays_while_the_user_types(encode):
    first = place_anchor(typed("x"), None, BUDGET, TextEncoding(encode)).anchor
    for line in ("x ", "x =", "x = f(", "x = f(a)", "x = f(a)\n    y"):
        assert place_anchor(typed(line), first, BUDGET, TextEncoding(encode)).anchor is first


def test_it_stays_when_the_editor_closes_a_bracket(encode):
    first = place_anchor(typed("x = f"), None, BUDGET, TextEncoding(encode)).anchor
    assert place_anchor(typed("x = f(", ")" + BELOW), first, BUDGET, TextEncoding(encode)).anchor is first


@pytest.mark.parametrize(
    ("what", "cursor"),
    [
        ("the known part grows too long", typed("x = 1\n" + "y" * 10 + " " + "z" * 30)),
        ("the text after the cursor changes", typed("x = 1", "\nbelow = 2\n")),
        ("the text before the anchor changes", Cursor("L" + typed("x").text[1:], len(ABOVE) + 1)),
        ("the cursor jumps back", Cursor(ABOVE + "x" + BELOW, 3)),
    ],
)
def test_it_moves_when_the_prompt_cannot_be_continued(what, cursor, encode):
    first = place_anchor(typed("x"), None, BUDGET, TextEncoding(encode)).anchor
    assert place_anchor(cursor, first, BUDGET, TextEncoding(encode)).anchor is not first, what


def test_a_moved_anchor_keeps_the_window_start_and_the_suffix_tokens(encode):
    tall = "".join(f"line {number:03}\n" for number in range(300))
    below = "\nbelow = 1\n"
    first = place_anchor(Cursor(tall + "x" + below, len(tall) + 1), None, BUDGET, TextEncoding(encode)).anchor
    longer = tall + "x = 1\n" + "y = 22222222222222222222222222222222222222222222"
    second = place_anchor(Cursor(longer + below, len(longer)), first, BUDGET, TextEncoding(encode)).anchor
    assert second.position > first.position
    assert second.start == first.start > 0
    assert second.suffix_tokens is first.suffix_tokens


def test_a_line_too_long_to_be_known_has_its_anchor_at_the_last_boundary(encode):
    placed = place_anchor(typed("x = " + "a, " * 30 + "b"), None, BUDGET, TextEncoding(encode))
    assert placed.known_tokens == ()
    assert placed.forced == " b"
    assert placed.anchor.prefix.endswith("a,")


def test_without_a_known_part_the_prompt_is_the_published_one(encode):
    budget = Budget(answer=100, known=0, suffix=200, text=1000)
    placed = place_anchor(typed("x = va"), None, budget, TextEncoding(encode))
    assert (placed.known_tokens, placed.forced) == ((), " va")
    assert placed.anchor.prefix == ABOVE + "x ="


def test_prefix_and_suffix_stay_within_their_budget(encode):
    tall = "".join(f"line {number:03}\n" for number in range(300))
    cursor = Cursor(tall * 2, len(tall))
    anchor = place_anchor(cursor, None, BUDGET, TextEncoding(encode)).anchor
    assert 0 < len(anchor.suffix_tokens) <= BUDGET.suffix
    assert 340 <= len(anchor.prefix_tokens) <= BUDGET.text - len(anchor.suffix_tokens)


def test_the_header_comes_only_before_the_beginning_of_a_document(encode):
    header = "<|python|>"
    anchor = place_anchor(typed("x"), None, BUDGET, TextEncoding(encode, header)).anchor
    assert anchor.prefix_tokens[: len(header)] == tuple(encode(header))
    tall = "".join(f"line {number:03}\n" for number in range(300))
    later = place_anchor(Cursor(tall, len(tall)), None, BUDGET, TextEncoding(encode, header)).anchor
    assert later.prefix_tokens == tuple(encode(later.prefix))


@pytest.mark.parametrize(
    ("known", "forced"),
    [
        ("", ""),
        ("self.na", "na"),
        ("return val", " val"),
        ("x = ", " "),
        ("x =", " ="),
        ("f(", "("),
        ("f(a)[", ")["),
        ("foo_bar", "bar"),
        ("foo_", "_"),
        ("x = 12", " 12"),
        ("x1", "1"),
        ("    ret", "ret"),
        ("naïve", "naïve"),
    ],
)
def test_the_last_piece_is_generated_again(known, forced):
    assert heal(known).forced == forced


@pytest.mark.parametrize("known", ["x\n", "x = 1\n    ", "\t", "a  ", "x" * (MAX_FORCED_CHARS + 1)])
def test_runs_of_blanks_line_ends_and_long_words_are_not_healed(known):
    assert heal(known).forced == ""
    assert heal(known).kept == known


@given(st.text(alphabet="ab1_ (.\n\té", max_size=40))
def test_healing_keeps_all_text(known):
    healed = heal(known)
    assert healed.kept + healed.forced == known
    assert len(healed.forced) <= MAX_FORCED_CHARS
