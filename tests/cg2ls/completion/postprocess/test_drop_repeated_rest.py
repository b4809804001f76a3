import pytest

from cg2ls.completion.postprocess.drop_repeated_rest import drop_repeated_rest


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
