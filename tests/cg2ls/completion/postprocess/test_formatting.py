import pytest

from cg2ls.completion.postprocess.formatting import (
    match_indentation,
    normalize_line_ends,
    strip_special_tokens,
)


@pytest.mark.parametrize(
    ("answer", "shown"), [("a\r\nb\r\n", "a\nb\n"), ("a\rb", "a\nb"), ("a\nb", "a\nb"), ("a\r", "a\n")]
)
def test_carriage_returns_become_line_feeds(passes, answer, shown):
    assert passes(normalize_line_ends, "‸", answer).text == shown


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        ("a = 1\nb", "a = 1\nb"),
        ("a<|endoftext|>b", "a"),
        ("a\n<|python|>\nb", "a\n"),
        ("a<mask_1>", "a"),
        ("a<sep>b", "a"),
        ("a <eom> b", "a "),
        ("a<dummy_3>", "a"),
        ("a\ufffd", "a"),
        ("a\x00b", "a"),
        ("a < b | c > d", "a < b | c > d"),
        ("x <sep", "x <sep"),
    ],
)
def test_special_tokens_end_the_text(passes, answer, shown):
    draft = passes(strip_special_tokens, "‸", answer)
    assert draft.text == shown


@pytest.mark.parametrize(
    ("art", "answer", "shown"),
    [
        # text that is already there is not inserted again
        ("if a:\n    ‸\n", "    b = 1", "b = 1"),
        ("if a:\n    ‸\n", "b = 1", "b = 1"),
        ("if a:\n    ‸\n", "  b\n    c", "b\n    c"),
        ("if a:\n‸\n", "    b = 1\n    c = 1", "    b = 1\n    c = 1"),
        ("if a:\n\t‸\n", "\tb", "b"),
        ("x =‸\n", " 1", " 1"),
        # any column
        ("f(\n      ‸\n)\n", "a,\n      b,", "a,\n      b,"),
        ("    if a:\n       ‸\n", "b\n       c", "b\n       c"),
        # tabs where the lines around have tabs, blanks where they have blanks
        ("if a:\n\tb\n\tif c:‸\n", "\n        d\n        e", "\n\t\td\n\t\te"),
        ("if a:\n    b\n    if c:‸\n", "\n\t\td", "\n        d"),
        ("if (a) {\n  b;\n  if (c) {‸\n", "\n\t\td;\n\t}", "\n    d;\n  }"),
        ("if a:‸\n", "\n\tb", "\n\tb"),
        ("\ta\n    b‸\n", "\n\tc", "\n\tc"),
    ],
)
def test_lines_are_indented_as_the_lines_around(passes, art, answer, shown):
    assert passes(match_indentation, art, answer).text == shown
