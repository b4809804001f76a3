import pytest

from cg2ls.completion.postprocess.drop_repeated_below import drop_repeated_below


@pytest.mark.parametrize(
    ("art", "answer", "ended", "shown"),
    [
        ("    ‸\n    return x\n", "a\n    return x", True, "a"),
        ("    ‸\n\n\n    return x\n", "a\n    return x", True, "a"),
        ("    ‸\n    return x\n", "a\n    return x", False, "a\n    return x"),
        ("    ‸\n    return x\n", "a\n    return x\n", False, "a"),
        ("    ret‸\n    return x\n", "urn x", True, ""),
        ("‸\nb\n", "a\n    b", True, "a\n    b"),
        ("‸\n", "a", True, "a"),
    ],
)
def test_what_stands_below_is_not_written_again(passes, art, answer, ended, shown):
    assert passes(drop_repeated_below, art, answer, ended=ended).text == shown
