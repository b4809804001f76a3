import pytest

from cg2ls.completion.syntax.unclosed import unbalanced


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
def test_unbalanced(code, opened, unopened):
    found = unbalanced(code)
    assert (found.open, found.unopened) == (opened, unopened)
