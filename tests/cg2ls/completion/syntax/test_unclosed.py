import pytest

from cg2ls.completion.syntax.unclosed import find_open_string, find_unbalanced


@pytest.mark.parametrize(
    ("code", "opened", "unopened"),
    [
        ("f(a, [b])", (), ()),
        ("f(a, [", (1, 5), ()),
        ("a)]", (), (1, 2)),
        ("')' (", (4,), ()),
        ("don't (", (6,), ()),
        ("'a\n(", (3,), ()),
        (r"'\')' )", (), (6,)),
    ],
)
def test_unbalanced_brackets_are_found(code, opened, unopened):
    found = find_unbalanced(code)
    assert (found.open, found.unopened) == (opened, unopened)


@pytest.mark.parametrize(
    ("code", "language", "found"),
    [
        ("x = 'a", "python", (4, "'")),
        ("x = 'a'", "python", None),
        ("x = 'a\n", "python", None),
        ('"""a\nb', "python", (0, '"""')),
        ('"""a\nb"""', "python", None),
        ('"""a "b" \'c', "python", (0, '"""')),
        (r'"\"', "python", (0, '"')),
        ("# it's", "python", None),
        ("# it's\n'", "python", (7, "'")),
        ("'#'", "python", None),
        ('x = ""', "python", None),
        ("`a\nb", "javascript", (0, "`")),
        ("// it's", "javascript", None),
        ('"""a', "javascript", (2, '"')),
    ],
)
def test_open_strings_are_found(code, language, found):
    string = find_open_string(code, language)
    assert (string and (string.offset, string.quote)) == found
