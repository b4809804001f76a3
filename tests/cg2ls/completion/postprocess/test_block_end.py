import pytest

from cg2ls.completion.postprocess.block_end import (
    balance_strings,
    drop_unfinished_line,
    limit_lines,
    stop_after_jump,
    stop_at_blank_line,
    stop_at_dedent,
)
from cg2ls.completion.syntax.grammar import load_grammar


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


@pytest.mark.parametrize(
    ("trigger", "answer", "shown"),
    [
        ("automatic", "a\nb\n\nc", "a\nb"),
        ("automatic", "\n\na\n", "\n\na\n"),
        ("automatic", "a\n", "a\n"),
        ("automatic", "a\n  ", "a\n  "),
        ("automatic", "a\n  \n", "a"),
        ("invoked", "a\n\nb\n\n\nc", "a\n\nb"),
    ],
)
def test_a_blank_line_ends_a_block_after_its_line_end(passes, trigger, answer, shown):
    assert passes(stop_at_blank_line, "    ‸", answer, trigger=trigger).text == shown


DEAD = [
    (
        '    return jsonify({"error": "not found"}), 404\n    ‸\n',
        'return jsonify({"error": "not found"}), 404',
        "",
    ),
    ("    return x\n    ‸\n", "y = 1\n    z = 2", ""),
    ("    return\n\n    ‸\n", "y = 1", ""),
    ("    raise ValueError(x)\n    ‸\n", "x = 1", ""),
    ("        break\n        ‸\n", "x = 1", ""),
    ("        continue\n        ‸\n", "# more", ""),
    ("    return f(\n        a,\n        b,\n    )\n    ‸\n", "x = 1", ""),
    ("    return {\n        'a': 1\n    }\n    ‸\n", "x = 1", ""),
    ("    ‸\n", "if a:\n        return 1\n        b = 2\n    c = 3", "if a:\n        return 1"),
    ("    ‸\n", "x = 1\n    return x\n    y = 2\n", "x = 1\n    return x"),
    ("    ‸\n", "return f(\n        a\n    )\n    y = 2\n", "return f(\n        a\n    )"),
]
ALIVE = [
    ("    if x:\n        return 1\n    ‸\n", "y = 1"),
    ("    if x: return 1\n    ‸\n", "y = 1"),
    ("        return 1\n    ‸\n", "y = 1"),
    ("    returned = 1\n    ‸\n", "y = 1"),
    ("    raise NotImplementedError\n    ‸\n", "yield"),
    ("    return (\n    ‸\n", "a"),
    ("    return a + \\\n    ‸\n", "b"),
    ("        return 1\n        ‸\n", "\n    else:"),
    ("    return x\n    e‸\n", "lse:"),
    ('    """\n    return the value\n    ‸\n    """\n', "of it"),
    ("    ‸\n", "if a:\n        return 1\n    return 2"),
    ("    ‸\n", "try:\n        return 1\n    except KeyError:\n        raise"),
]


@pytest.mark.parametrize(("art", "answer", "shown"), DEAD)
def test_nothing_follows_a_jump_in_its_block(passes, art, answer, shown):
    assert passes(stop_after_jump, art, answer, language="python").text == shown


@pytest.mark.parametrize(("art", "answer"), ALIVE)
def test_reachable_code_stays(passes, art, answer):
    extent = "line" if '"""' in art else "block"
    assert passes(stop_after_jump, art, answer, language="python", extent=extent).text == answer


@pytest.mark.parametrize(
    ("art", "answer", "shown"),
    [
        ("  return x;\n  ‸\n}\n", "y = 1;", ""),
        ("  throw new Error(x);\n  ‸\n}\n", "y = 1;", ""),
        ("  return f({\n    a,\n  });\n  ‸\n}\n", "y = 1;", "y = 1;"),
        ("  if (a)\n    return 1;\n  ‸\n}\n", "y = 1;", "y = 1;"),
        ("  if (a)\n  return 1;\n  ‸\n}\n", "y = 1;", "y = 1;"),
        ("  break;\n  ‸\n}\n", "case 2:", "case 2:"),
        ("  return a;\n  ‸\n}\n", "function a() {}", "function a() {}"),
        ("  return x;\n  ‸\n}\n", "}", "}"),
        ("  return a\n  ‸\n}\n", "+ b;", "+ b;"),
    ],
)
def test_nothing_follows_a_jump_in_languages_with_braces(passes, art, answer, shown):
    assert passes(stop_after_jump, art, answer, language="javascript").text == shown


def test_other_languages_are_left_alone(passes):
    assert passes(stop_after_jump, "    return x\n    ‸\n", "y = 1", language="ruby").text == "y = 1"


@pytest.mark.parametrize(
    ("answer", "ended", "shown"),
    [
        ("yi", False, "yi"),
        ("yi", True, ""),
        ("yielding", False, ""),
        ("yield x", False, "yield x"),
        ("x", False, ""),
    ],
)
def test_an_incomplete_word_may_still_become_a_valid_one(passes, answer, ended, shown):
    assert (
        passes(stop_after_jump, "    return\n    ‸\n", answer, language="python", ended=ended).text == shown
    )


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
