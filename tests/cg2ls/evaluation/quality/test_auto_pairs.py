"""What an editor closes, and where the text closes it. ^ is opened, | is where that is closed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cg2ls.evaluation.quality.auto_pairs import PARTNERS, closed_at


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("f(a)", {1: 3}),
        ("f(a[0])", {1: 6, 3: 5}),
        ("f(a", {1: None}),
        ("a)", {}),
        ("x = 'a'", {4: 6}),
        ("x = f'a'", {5: 7}),
        ("don't", {}),
        ("# it's (so)", {7: 10}),
        ("x = 'it\\'s'", {4: 10}),
        ("x = '('", {4: 6, 5: None}),
        ("x = '\ny'", {4: None}),
        ('"""a (b) "c"."""', {5: 7}),
        ("(]", {0: None}),
    ],
)
def test_pairs(code, found):
    assert closed_at(code) == found


def test_comments_are_the_language_s():
    assert closed_at("// it's 'x", "//") == {}


@given(st.text(st.sampled_from("()[]{}\"'\\#ab \n"), max_size=60))
def test_closers_close_their_openers_in_proper_nesting(code):
    pairs = [(start, end) for start, end in closed_at(code).items() if end is not None]
    for start, end in pairs:
        assert start < end
        assert code[end] == PARTNERS[code[start]]
        assert all(not start < other < end < last for other, last in pairs)
