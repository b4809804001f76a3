import pytest

from cg2ls.completion.postprocess.drop_unfinished_line import RULE


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
def test_a_line_that_tokens_did_not_suffice_for_is_dropped(passes, art, answer, ended, shown):
    assert passes(RULE, art, answer, ended=ended).text == shown
