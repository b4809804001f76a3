import pytest

from cg2ls.completion.postprocess.brackets import balance_strings, drop_unmatched_closers
from cg2ls.completion.syntax.grammar import load_grammar

HEAD = "def f(x):\n    "


@pytest.mark.parametrize(
    ("art", "answer", "shown"),
    [
        (f"{HEAD}‸\n    return x\n", '"""Return x.', '"""Return x."""'),
        (f"{HEAD}‸\n", '"""Return x.\n\n    Args:', '"""Return x.\n\n    Args:\n    """'),
        (f"{HEAD}‸\n", "'''Return x.\n", "'''Return x.'''"),
        (f"{HEAD}‸\n", '"""Return x."""\n    return x', '"""Return x."""\n    return x'),
        (f"{HEAD}‸\n", '"""', ""),
        (f"{HEAD}‸\n", '"""\n', ""),
        (f"{HEAD}‸\n", 'y = 1\n    """', "y = 1"),
        ("x = ‸\n", '"""SELECT *', '"""SELECT *"""'),
        ("x = ‸\n", "f('a", "f('a"),
        ("x = ‸\n", '"a" + "b"', '"a" + "b"'),
        ("x = ‸  # it's\n", "1", "1"),
        (f'{HEAD}"""‸\n    return x\n', "Return x.", "Return x."),
        (f'{HEAD}"""Return x.\n\n    ‸\n    """\n', "Args:", "Args:"),
        (f'{HEAD}"""Return x.\n    ‸\n', 'It is x."""', 'It is x."""'),
        (f'{HEAD}"""Return x.\n    ‸\n', '"""', '"""'),
        (f'{HEAD}‸"""\n', '"""Return x.', '"""Return x.'),
    ],
)
def test_a_string_that_an_answer_begins_is_ended(passes, art, answer, shown):
    assert (
        passes(balance_strings, art, answer, language="python", grammar=load_grammar("python")).text == shown
    )


@pytest.mark.parametrize(
    ("answer", "shown"), [("`a ${b}", "`a ${b}`"), ("'a", "'a"), ("`a` + `b`", "`a` + `b`"), ('"""', '"""')]
)
def test_in_javascript_backticks_are_ended(passes, answer, shown):
    assert (
        passes(
            balance_strings,
            "const x = ‸\n",
            answer,
            language="javascript",
            grammar=load_grammar("javascript"),
        ).text
        == shown
    )


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
