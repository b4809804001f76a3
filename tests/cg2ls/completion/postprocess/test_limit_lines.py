import pytest

from cg2ls.completion.postprocess.limit_lines import RULE


@pytest.mark.parametrize(
    ("art", "answer", "most", "shown"),
    [
        ("x = ‸", "a\nb", None, "a"),
        ("x = ‸", "\nb", None, ""),
        ("x = ‸", "a", None, "a"),
        ("    ‸", "a\nb\nc", 2, "a\nb"),
        ("if x:‸", "\na\nb", 1, "\na"),
        ("    ‸", "a\nb", None, "a\nb"),
    ],
)
def test_as_many_lines_as_are_wanted(passes, art, answer, most, shown):
    assert passes(RULE, art, answer, max_lines=most).text == shown
