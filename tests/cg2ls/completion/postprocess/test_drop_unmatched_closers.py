import pytest

from cg2ls.completion.postprocess.drop_unmatched_closers import drop_unmatched_closers


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
