import pytest

from cg2ls.completion.postprocess.limit_lines import limit_lines


@pytest.mark.parametrize(
    ("art", "answer", "max_lines", "shown"),
    [
        ("x = ‸", "a\nb", None, "a"),
        ("x = ‸", "\nb", None, ""),
        ("x = ‸", "a", None, "a"),
        ("    ‸", "a\nb\nc", 2, "a\nb"),
        ("if x:‸", "\na\nb", 1, "\na"),
        ("    ‸", "a\nb", None, "a\nb"),
    ],
)
def test_text_ends_after_the_maximum_number_of_lines(passes, art, answer, max_lines, shown):
    assert passes(limit_lines, art, answer, max_lines=max_lines).text == shown
