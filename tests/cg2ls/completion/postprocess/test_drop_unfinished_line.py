import pytest

from cg2ls.completion.postprocess.drop_unfinished_line import drop_unfinished_line


@pytest.mark.parametrize(
    ("art", "answer", "ended", "shown"),
    [
        ("    ‸", "a\nb\nc", False, "a\nb"),
        ("    ‸", "a\nb\nc", True, "a\nb\nc"),
        ("    ‸", "a", False, "a"),
        ("if x:‸", "\na", False, "\na"),
        ("x = ‸", "a, ", False, "a, "),
    ],
)
def test_a_line_that_ran_out_of_tokens_is_dropped(passes, art, answer, ended, shown):
    assert passes(drop_unfinished_line, art, answer, ended=ended).text == shown
