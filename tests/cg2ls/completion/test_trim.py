"""Every rule by itself: what it lets pass."""

from __future__ import annotations

import pytest

from cg2ls.completion import trim


@pytest.mark.parametrize(
    ("text", "passed"),
    [
        ("a = 1\nb", "a = 1\nb"),
        ("a<|endoftext|>b", "a"),
        ("a\n<|python|>\nb", "a\n"),
        ("a<mask_1>", "a"),
        ("a <eom> b", "a "),
        ("a\ufffd", "a"),
        ("a < b | c > d", "a < b | c > d"),
    ],
)
def test_cut_at_mark(text, passed):
    assert trim.cut_at_mark(text) == passed


@pytest.mark.parametrize(("text", "passed"), [("a\nb", "a"), ("\nb", ""), ("a", "a")])
def test_first_line(text, passed):
    assert trim.first_line(text) == passed


@pytest.mark.parametrize(
    ("text", "most", "passed"),
    [("a\nb\nc", 2, "a\nb"), ("\na\nb", 1, "\na"), ("a\nb", None, "a\nb")],
)
def test_first_lines(text, most, passed):
    assert trim.first_lines(text, most) == passed


@pytest.mark.parametrize(
    ("text", "allowed", "passed"),
    [
        ("a\nb\n\nc", 0, "a\nb"),
        ("\n\na\n", 0, "\n\na\n"),
        ("a\n\nb\n\n\nc", 1, "a\n\nb"),
        ("a\n", 0, "a\n"),
        ("a\n  ", 0, "a\n  "),
        ("a\n  \n", 0, "a"),
    ],
)
def test_cut_at_blank_lines(text, allowed, passed):
    assert trim.cut_at_blank_lines(text, allowed) == passed


@pytest.mark.parametrize(
    ("line_before", "text", "passed"),
    [
        ("    ", "a\n    b\nc", "a\n    b"),
        ("    ", "if a:\n        b\n    c\n  d", "if a:\n        b\n    c"),
        ("", "    a\n    b\nc", "    a\n    b"),
        ("", "a\nb", "a\nb"),
        ("    ", "\ndef f():", ""),
        ("if x:", "\n    a\n    b\nc", "\n    a\n    b"),
        ("    if x:", "\n        a\n    else", "\n        a"),
        ("if x:", "\nb", ""),
        ("f(", "\n    a,\n    b,\n)\nc", "\n    a,\n    b,\n)"),
        ("f(", "a, b)\nc", "a, b)"),
        ("\tif x {", "\n\t\ta\n\t}\n\tb", "\n\t\ta\n\t}"),
        ("    ", "a\n\n    b", "a\n\n    b"),
    ],
)
def test_cut_at_dedent(line_before, text, passed):
    assert trim.cut_at_dedent(text, line_before) == passed


@pytest.mark.parametrize(
    ("line_before", "text", "following", "ended", "passed"),
    [
        ("    ", "a\n    return x", "    return x", True, "a"),
        ("    ", "a\n    return x", "    return x", False, "a\n    return x"),
        ("    ", "a\n    return x\n", "    return x", False, "a"),
        ("    ret", "urn x", "    return x", True, ""),
        ("", "a\n    b", "b", True, "a\n    b"),
        ("", "a", "", True, "a"),
    ],
)
def test_cut_at_repeated_line(line_before, text, following, ended, passed):
    assert trim.cut_at_repeated_line(text, line_before, following, ended=ended) == passed


@pytest.mark.parametrize(
    ("text", "line_after", "ended", "passed"),
    [
        ("a + b", " + b", True, "a"),
        ("a + b * c", " + b", False, "a"),
        ("max", "x + y", True, "max"),
        ("a)", ") + c", True, "a"),
        ("g(a)", ") + c", True, "g(a)"),
        ("value.na", ".name", True, "value"),
        ("value.na", ".name", False, "value.na"),
    ],
)
def test_cut_at_rest_of_line(text, line_after, ended, passed):
    assert trim.cut_at_rest_of_line(text, line_after, ended=ended) == passed


@pytest.mark.parametrize(
    ("text", "before", "passed"),
    [
        ("a)", "f(", "a)"),
        ("a))", "f(", "a)"),
        ("a)", "x = ", "a"),
        ("a]),\n", "f([", "a]),\n"),
        ("a) + b", "x = ", "a) + b"),
        ("')'", "x = ", "')'"),
    ],
)
def test_cut_unopened_closers(text, before, passed):
    assert trim.cut_unopened_closers(text, before) == passed


@pytest.mark.parametrize(("text", "passed"), [("a\nb\nc", "a\nb"), ("a", "a"), ("\na", "\na")])
def test_drop_unfinished_line(text, passed):
    assert trim.drop_unfinished_line(text) == passed
