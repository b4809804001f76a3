import pytest

from cg2ls.completion.postprocess.stop_at_dedent import stop_at_dedent


@pytest.mark.parametrize(
    ("art", "answer", "shown"),
    [
        ("    ‸", "a\n    b\nc", "a\n    b"),
        ("    ‸", "if a:\n        b\n    c\n  d", "if a:\n        b\n    c"),
        ("‸", "    a\n    b\nc", "    a\n    b"),
        ("‸", "a\nb", "a\nb"),
        ("    ‸", "\ndef f():", ""),
        ("if x:‸", "\n    a\n    b\nc", "\n    a\n    b"),
        ("    if x:‸", "\n        a\n    else", "\n        a"),
        ("if x:‸", "\nb", ""),
        ("f(‸", "\n    a,\n    b,\n)\nc", "\n    a,\n    b,\n)"),
        ("f(‸", "a, b)\nc", "a, b)"),
        ("\tif x {‸", "\n\t\ta\n\t}\n\tb", "\n\t\ta\n\t}"),
        ("    ‸", "a\n\n    b", "a\n\n    b"),
    ],
)
def test_a_block_ends_at_a_dedent(passes, art, answer, shown):
    assert passes(stop_at_dedent, art, answer).text == shown
