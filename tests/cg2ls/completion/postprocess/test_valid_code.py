import subprocess
import sys

import pytest

from cg2ls.completion.postprocess import valid_code as module
from cg2ls.completion.postprocess.valid_code import (
    MAX_CHARS,
    MAX_COMPILED_CHARS,
    MAX_LINE_CHARS,
    check_python,
    keep_parsable,
    python_accepts,
)
from cg2ls.completion.syntax.grammar import load_grammar

PARSABLE_PYTHON = [
    ("what parses stays", "x = ‸\n", "f(1)", "f(1)"),
    ("by tokens", "x = ‸\n", "f(1) 2 3", "f(1)"),
    ("by lines", "if a:\n    ‸\n", "b = 1\n    c = = 2", "b = 1"),
    ("nothing is left", "for x in range‸:\n    pass\n", " = 3", ""),
    ("an open bracket counts as closed", "x = ‸\n", "f(", "f("),
    ("a bracket left open on the line counts as closed, too", "x = f(a‸\n", ", b", ", b"),
    ("so does one that the line after the cursor does not close", "x = f((a‸)\n", ", b", ", b"),
    ("a block opens", "if a:\n    ‸\n", "for b in c:", "for b in c:"),
    ("a line of a call", "f(\n    a,\n    ‸\n)\n", "b=1,", "b=1,"),
    ("a closer right of the cursor", "f(‸)\n", "a, b", "a, b"),
    ("broken anyway", "f((\n)))\nx = ‸\n", "1 2", "1 2"),
    ("a header above its body", "def f(‸\n    return 1\n", "a):", "a):"),
    ("a header that does not parse", "def f‸\n    return 1\n", "(a,:", ""),
    ("half a string", "x = ‸\n", "f('a", "f("),
    ("inside a docstring everything is valid", '"""\n‸\n"""\n', "it's (fine", "it's (fine"),
    ("in a comment too", "# ‸\n", "it's (fine", "it's (fine"),
]


@pytest.mark.parametrize(
    ("art", "answer", "shown"), [row[1:] for row in PARSABLE_PYTHON], ids=[row[0] for row in PARSABLE_PYTHON]
)
def test_code_that_parsed_still_does(passes, art, answer, shown):
    assert passes(keep_parsable, art, answer, language="python", grammar=load_grammar("python")).text == shown


PARSABLE_JAVASCRIPT = [
    ("const a = ‸;\n", "f(1", "f(1"),
    ("const a = ‸;\n", "f(1) 2", "f(1)"),
    ("class A {\n  f() {\n    return ‸\n  }\n}\n", "this.a", "this.a"),
    ("if (a) {\n  ‸\n}\n", "b();\n  } else {", "b();\n  } else {"),
    ("if (a) {\n  ‸\n}\n", "b() ) {", "b()"),
]


@pytest.mark.parametrize(("art", "answer", "shown"), PARSABLE_JAVASCRIPT)
def test_code_in_languages_with_braces_still_parses(passes, art, answer, shown):
    draft = passes(keep_parsable, art, answer, language="javascript", grammar=load_grammar("javascript"))
    assert draft.text == shown


def test_brackets_left_open_by_an_ended_answer_are_closed(passes):
    art = "for n in ns:\n    result.‸\nreturn result\n"
    grammar = load_grammar("python")
    assert passes(keep_parsable, art, "append(n", grammar=grammar, ended_by_model=True).text == "append(n)"
    assert passes(keep_parsable, art, "append(n", grammar=grammar).text == "append(n"


def test_without_a_grammar_nothing_is_changed(passes):
    assert passes(keep_parsable, "x = ‸\n", "1 2 3").text == "1 2 3"


def test_a_long_file_costs_no_more(passes):
    lines = "".join(f"def f{number}():\n    return {number}\n\n\n" for number in range(5000))
    assert (
        passes(keep_parsable, f"{lines}x = ‸\n{lines}", "f(1) 2", grammar=load_grammar("python")).text
        == "f(1)"
    )


ACCEPTED_BY_PYTHON = [
    ("code that Python accepts stays", "x = ‸\n", "f(1)", "f(1)"),
    ("an unexpected indent", "a = 1\n‸\nb = 2\nc = 3\n", "    x = 2", ""),
    ("one on the next line", "a = 1\n‸\nb = 2\nc = 3\n", "x = 2\n    y = 3", "x = 2"),
    ("a positional argument after a named one", "x = ‸\n", "f(a=1, 2)", "f(a=1,"),
    ("a print statement", "‸\n", "print 'a'", "print"),
    ("deleting a call", "‸\n", "del f()", "del f"),
    ("a return outside of a function", "a = 1\n‸\n", "return a", ""),
    ("a yield outside", "a = 1\n‸\n", "yield a", ""),
    ("a break outside of a loop", "def f():\n    ‸\n", "break", ""),
    ("assigning to a call", "‸\n", "f() = 1", "f()"),
    ("the same argument twice", "def f(‸):\n    pass\n", "a, a", "a,"),
    ("a header counts as having a body", "if a:\n    ‸\n", "for b in c:", "for b in c:"),
    ("a header's own body does", "‸\n", "if a:\n    b", "if a:\n    b"),
    ("a header without one above more", "‸\n", "if a:\nb = 1", "if a:"),
    ("a try counts as having its end", "def f():\n    ‸\n", "try:\n        a()", "try:\n        a()"),
    ("a try and a header", "‸\n", "try:\n    if a:", "try:\n    if a:"),
    ("a try and its except", "‸\n", "try:\n    a()\nexcept E:\n    b()", "try:\n    a()\nexcept E:\n    b()"),
    ("a header with a comment", "class g‸\n", "fm_like:  # noqa: N801", "fm_like:  # noqa: N801"),
    ("a comment in a block without a body yet", "if a:\n    ‸\n", "# b is it's", "# b is it's"),
    ("one that goes on", "if a:\n    # b‸\n", " is it's (", " is it's ("),
    ("a line above one that is too deep", "a = ‸\n        b = 2\n", "1", "1"),
    ("an open bracket counts as closed", "x = ‸\n", "f(", "f("),
    ("an error in a typed line does not count", "return va‸\n", "lue", "lue"),
    ("top level await, as in notebooks", "‸\n", "await f()", "await f()"),
    ("a file that was invalid before", "print 'a'\nx = ‸\n", "f(a=1, 2)", "f(a=1, 2)"),
    ("a notebook's magic", "%matplotlib inline\nx = ‸\n", "f(a=1, 2)", "f(a=1, 2)"),
    ("an unfinished docstring", 'def f(x):\n    """‸\n    return x\n', "Return x.", "Return x."),
    ("and ended", 'def f(x):\n    """‸\n    return x\n', 'Return x."""', 'Return x."""'),
    ("half a string that was typed", 'print("hel‸\n', "lo world", "lo world"),
]


@pytest.mark.parametrize(
    ("art", "answer", "shown"),
    [row[1:] for row in ACCEPTED_BY_PYTHON],
    ids=[row[0] for row in ACCEPTED_BY_PYTHON],
)
def test_text_that_python_does_not_accept_is_shortened(passes, art, answer, shown):
    assert passes(check_python, art, answer, language="python").text == shown


def test_in_a_long_function_only_its_own_code_is_judged(passes):
    body = "".join(f"        x{number} = {number}\n" for number in range(200))
    art = f"class A:\n    def f(self):\n{body}        ‸\n{body}"
    assert passes(check_python, art, "return x1", language="python").text == "return x1"
    assert passes(check_python, art, "f(a=1, 2)", language="python").text == "f(a=1,"


@pytest.mark.parametrize("language", ["javascript", "", "ruby"])
def test_other_languages_are_left_alone(passes, language):
    assert passes(check_python, "x = ‸\n", "1 2 3", language=language).text == "1 2 3"


def test_other_names_of_python_count_as_python(passes):
    assert passes(check_python, "x = ‸\n", "f(a=1, 2)", language="py").text == "f(a=1,"


@pytest.mark.parametrize(
    "code",
    [
        "(" * 3000,
        "x = " + "9" * 5000,
        "".join(" " * depth + "if x:\n" for depth in range(150)) + " " * 150 + "x\n",
        "x = 1\0",
        "x = '\ud83d'",
        "-" * 1900,
        "\n" * 30_000 + "(",
        "lambda:" * 250 + "1",
        "x" * (MAX_LINE_CHARS + 1),
        "x = 1\n" * MAX_CHARS,
    ],
)
def test_hostile_code_is_not_accepted_and_raises_nothing(code):
    assert not python_accepts(code)


def test_code_that_is_too_large_is_never_compiled(monkeypatch):
    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("compiled")

    monkeypatch.setattr(module, "compile", forbidden, raising=False)
    for code in ("x = 1\n" * MAX_CHARS, "y" * (MAX_LINE_CHARS + 1), "lambda: " * 101 + "1"):
        assert not python_accepts(code)


def test_python_compiles_only_a_few_times(passes, monkeypatch):
    asked = []

    def count(code, **more):
        asked.append(code)
        return python_accepts(code, **more)

    monkeypatch.setattr(module, "python_accepts", count)
    passes(check_python, "x = ‸\n", "a b " * 100, language="python")
    assert 0 < len(asked) <= 1 + 4 + 8 * 4


def test_python_reads_a_limited_number_of_characters(passes, monkeypatch):
    read = []

    def count(code, **more):
        read.append(len(code))
        return python_accepts(code, **more)

    monkeypatch.setattr(module, "python_accepts", count)
    body = "".join(f"    {'y' * 290}{number} = {number}\n" for number in range(50))
    assert passes(check_python, f"def f():\n{body}    ‸\n", "a b\n" * 40, language="python").text in ("", "a")
    assert 100_000 < sum(read) <= MAX_COMPILED_CHARS


def test_warnings_about_suggested_code_are_not_shown():
    module = "cg2ls.completion.postprocess.valid_code"
    code = f"from {module} import python_accepts as a; print(a(r\"x = '\\d' is 1\"))"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("True", "")


CLASS = "class Shop:\n" + "".join(
    f"    def method_{number}(self, value):\n        return value + {number}\n\n" for number in range(8)
)


def test_only_the_function_around_the_cursor_is_compiled(passes, monkeypatch):
    compiled: list[str] = []

    def note(code: str, **more: bool) -> bool:
        compiled.append(code)
        return python_accepts(code, **more)

    monkeypatch.setattr(module, "python_accepts", note)
    art = CLASS + "    def last(self, key):\n        found = ‸\n        return found\n\n" + CLASS[12:]
    assert passes(check_python, art, "self.find(key)", language="python").text == "self.find(key)"
    assert compiled == ["    def last(self, key):\n        found = self.find(key)\n        return found\n"]


@pytest.mark.parametrize(
    ("art", "answer", "shown"),
    [
        # errors that only the whole function shows, also inside a class
        (CLASS + "    def last(self, key):\n        ‸", "found = 1\n        await key", "found = 1"),
        (CLASS + "    def last(self, key):\n        ‸", "found = 1\n        break", "found = 1"),
        # text after the function's end is compiled with the code around the function
        ("class A:\n    def f(self):\n        a = ‸\n        b = 2\n", "1\n    return a", "1"),
        # a closure's variables are outside of the inner function, so the outer one is compiled
        (
            "def f():\n    a = 1\n    def g():\n        nonlocal a\n        a = ‸\n    return g\n",
            "2",
            "2",
        ),
        (
            "def f():\n    a = 1\n    def g():\n        nonlocal a\n        a = ‸\n    return g\n",
            "call(x=1, x=2)",
            "call(x=1,",
        ),
    ],
)
def test_a_function_alone_is_compiled_as_in_its_file(passes, art, answer, shown):
    assert passes(check_python, art, answer, language="python").text == shown
