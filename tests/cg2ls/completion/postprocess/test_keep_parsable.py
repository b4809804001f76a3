import pytest

from cg2ls.completion.postprocess.keep_parsable import keep_parsable
from cg2ls.completion.syntax.grammar import load_grammar

PYTHON = [
    ("what parses stays", "x = ‸\n", "f(1)", "f(1)"),
    ("by tokens", "x = ‸\n", "f(1) 2 3", "f(1)"),
    ("by lines", "if a:\n    ‸\n", "b = 1\n    c = = 2", "b = 1"),
    ("nothing is left", "for x in range‸:\n    pass\n", " = 3", ""),
    ("an open bracket counts as closed", "x = ‸\n", "f(", "f("),
    ("a bracket left open on the line counts as closed, too", "x = f(a‸\n", ", b", ", b"),
    ("as one that the line after the cursor does not close", "x = f((a‸)\n", ", b", ", b"),
    ("a block opens", "if a:\n    ‸\n", "for b in c:", "for b in c:"),
    ("a line of a call", "f(\n    a,\n    ‸\n)\n", "b=1,", "b=1,"),
    ("a closer right of the cursor", "f(‸)\n", "a, b", "a, b"),
    ("broken anyway", "f((\n)))\nx = ‸\n", "1 2", "1 2"),
    ("a header above its body", "def f(‸\n    return 1\n", "a):", "a):"),
    ("a header that does not parse", "def f‸\n    return 1\n", "(a,:", ""),
    ("half a string", "x = ‸\n", "f('a", "f("),
    ("in a docstring all is right", '"""\n‸\n"""\n', "it's (fine", "it's (fine"),
    ("in a comment too", "# ‸\n", "it's (fine", "it's (fine"),
]


@pytest.mark.parametrize(
    ("art", "answer", "shown"), [row[1:] for row in PYTHON], ids=[row[0] for row in PYTHON]
)
def test_code_that_parsed_still_does(passes, art, answer, shown):
    assert passes(keep_parsable, art, answer, language="python", grammar=load_grammar("python")).text == shown


JAVASCRIPT = [
    ("const a = ‸;\n", "f(1", "f(1"),
    ("const a = ‸;\n", "f(1) 2", "f(1)"),
    ("class A {\n  f() {\n    return ‸\n  }\n}\n", "this.a", "this.a"),
    ("if (a) {\n  ‸\n}\n", "b();\n  } else {", "b();\n  } else {"),
    ("if (a) {\n  ‸\n}\n", "b() ) {", "b()"),
]


@pytest.mark.parametrize(("art", "answer", "shown"), JAVASCRIPT)
def test_in_languages_with_braces(passes, art, answer, shown):
    draft = passes(keep_parsable, art, answer, language="javascript", grammar=load_grammar("javascript"))
    assert draft.text == shown


def test_brackets_left_open_by_an_ended_answer_are_closed(passes):
    art = "for n in ns:\n    result.‸\nreturn result\n"
    grammar = load_grammar("python")
    assert passes(keep_parsable, art, "append(n", grammar=grammar, ended_by_model=True).text == "append(n)"
    assert passes(keep_parsable, art, "append(n", grammar=grammar).text == "append(n"


def test_without_a_grammar_nothing_is_judged(passes):
    assert passes(keep_parsable, "x = ‸\n", "1 2 3").text == "1 2 3"


def test_a_long_file_costs_no_more(passes):
    lines = "".join(f"def f{number}():\n    return {number}\n\n\n" for number in range(5000))
    assert (
        passes(keep_parsable, f"{lines}x = ‸\n{lines}", "f(1) 2", grammar=load_grammar("python")).text
        == "f(1)"
    )
