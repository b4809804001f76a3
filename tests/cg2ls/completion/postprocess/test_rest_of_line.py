import pytest

from cg2ls.completion.postprocess.rest_of_line import (
    drop_repeated_rest,
    drop_unmatched_closers,
    reconcile,
    skip_rest_of_word,
)


@pytest.mark.parametrize(
    ("art", "answer", "ended", "shown"),
    [
        ("x = ‸ + b", "a + b", True, "a"),
        ("x = ‸ + b", "a + b * c", False, "a"),
        ("x = ‸x + y", "max", True, "max"),
        ("f(‸) + c", "a)", True, "a"),
        ("f(‸) + c", "g(a)", True, "g(a)"),
        ("x = ‸.name", "value.na", True, "value"),
        ("x = ‸.name", "value.na", False, "value.na"),
        ("f(‸)", "a)", True, "a)"),
    ],
)
def test_code_after_the_cursor_is_not_repeated(passes, art, answer, ended, shown):
    assert passes(drop_repeated_rest, art, answer, ended=ended).text == shown


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


NOTHING_NEW = [
    ("x = compu‸te_total(order, tax)\n", "te_total(order, total)"),
    ("x = compu‸te_total(order, tax)\n", "te_total()"),
    ("x = compu‸te_total(order, tax)\n", "te_total"),
    ("x = compu‸te_total(order, tax)\n", "te"),
    ("x = compu‸te_total(order, tax)\n", "ting(order, tax)"),
    ("x = compu‸te_total(order, tax)\n", "l"),
    ("x = compu‸total(order)\nprecompute_total(1)\n", "te_"),
    ("self.it‸ems.append(item)\n", "ems.append(value)"),
    ("self.it‸ems.append(item)\n", "em = None"),
    ("def g(pathname, r‸ecursive, dironly,\n", "ecursive, dironly, include_hidden)"),
    ("def g(pathname, r‸ecursive, dironly,\n", "ecursive):"),
    ("for na‸me in names:\n", "me, value in names.items():"),
    ("été_n‸ombre = 1\n", "ombre = 2"),
]


@pytest.mark.parametrize(("art", "answer"), NOTHING_NEW)
def test_text_that_only_repeats_the_rest_of_a_word_is_dropped(passes, art, answer):
    found = passes(skip_rest_of_word, art, answer, trigger="invoked")
    assert (found.text, found.replace_length) == ("", 0)


@pytest.mark.parametrize(
    ("art", "answer", "text", "replace_length"),
    [
        ("x = f(pa‸th)\n", 'th, mode="r")', 'th, mode="r"', 2),
        ("x = compu‸te\n", "te(order)", "te(order)", 2),
        ("x = compu‸te\n", "te_total(order)", "te_total(order)", 2),
        ("x = compu‸te\n", "te_total", "te_total", 2),
        ("x = compu‸total(order)\n", "te_total(order)", "te_", 0),
        ("def g(a, r‸ecursive, dironly):\n", "ecursive=False, dironly):", "ecursive=False", 8),
    ],
)
def test_text_that_continues_after_the_word_replaces_its_rest(passes, art, answer, text, replace_length):
    found = passes(skip_rest_of_word, art, answer, trigger="invoked")
    assert (found.text, found.replace_length) == (text, replace_length)


@pytest.mark.parametrize(
    ("art", "answer"),
    [
        ("x = compu‸total(order)\ncompute_total(1)\n", "te_"),
        ("x = ‸compute_total(order)\n", "1 + "),
        ("x = f(‸)\n", "a, b)"),
        ("x = compu‸\n", "te_total(order)"),
        ("x = compu‸(order)\n", "te_total"),
    ],
)
def test_text_inserted_into_a_word_or_elsewhere_stays(passes, art, answer):
    found = passes(skip_rest_of_word, art, answer, trigger="invoked")
    assert (found.text, found.replace_length) == (answer, 0)


@pytest.mark.parametrize(
    ("art", "answer", "shown"),
    [
        ("f(‸", "a)", "a)"),
        ("f(‸", "a))", "a)"),
        ("x = ‸", "a)", "a"),
        ("f([‸", "a]),\n", "a]),\n"),
        ("x = ‸", "a) + b", "a) + b"),
        ("x = ‸", "')'", "')'"),
        ("f(‸)", "a)", "a)"),
    ],
)
def test_closers_that_close_nothing_are_dropped(passes, art, answer, shown):
    assert passes(drop_unmatched_closers, art, answer).text == shown
