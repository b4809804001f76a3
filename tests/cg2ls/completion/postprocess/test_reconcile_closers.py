import pytest

from cg2ls.completion.postprocess.reconcile_closers import reconcile


@pytest.mark.parametrize(
    ("text", "line_after", "shown", "replace_length"),
    [
        ("a, b", "", "a, b", 0),
        ("a, b)", ")", "a, b", 0),
        ("g(x))", ")", "g(x)", 0),
        ("g(x)", ")", "g(x)", 0),
        ("a)", "))", "a", 0),
        ("a, b):", ")", "a, b):", 1),
        ("a, b):", " )", "a, b", 0),
        ('hello")', '")', "hello", 0),
        ('x", y)', '")', 'x", y)', 2),
        ("a[0]", "]", "a[0]", 0),
        ("1", ",", "1", 0),
        ("1,", ",", "1", 0),
        ("a, b", ",", "a, b", 0),
    ],
)
def test_closers_right_of_the_cursor_are_not_shown_twice(text, line_after, shown, replace_length):
    assert reconcile(text, line_after) == (shown, replace_length)
