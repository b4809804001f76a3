"""Grammars load without a network, and only when they are needed."""

from __future__ import annotations

import linecache
import subprocess
import sys
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tree_sitter import Parser

from cg2ls.completion.syntax.grammar import WHEELS, Trees, _load_language, load_grammar

WHOLE = {
    "c": "int f(int a) { return a; }\n",
    "cpp": "template <class T> T f(T a) { return a; }\n",
    "csharp": "class A { int F(int a) { return a; } }\n",
    "go": "package a\n\nfunc f(a int) int { return a }\n",
    "java": "class A { int f(int a) { return a; } }\n",
    "javascript": "const f = (a) => { return a; };\n",
    "kotlin": "fun f(a: Int): Int { return a }\n",
    "lua": "local function f(a) return a end\n",
    "php": "<?php function f($a) { return $a; }\n",
    "python": "def f(a):\n    return a\n",
    "ruby": "def f(a)\n  a\nend\n",
    "rust": "fn f(a: i32) -> i32 { a }\n",
    "scala": "object A { def f(a: Int): Int = a }\n",
    "shellscript": 'f() { echo "$1"; }\n',
    "swift": "func f(a: Int) -> Int { return a }\n",
    "typescript": "function f(a: number): number { return a; }\n",
}

OFFLINE = """
import socket, sys
import cg2ls.server.app
def forbidden(*_, **__):
    raise AssertionError("a socket was opened")
socket.socket = socket.create_connection = forbidden
from cg2ls.completion.syntax.grammar import WHEELS, load_grammar
assert not any(name.startswith("tree_sitter") for name in sys.modules)
for language in WHEELS:
    assert load_grammar(language).parses("")
assert "tree_sitter_python" in sys.modules
"""


def test_every_grammar_parses_with_sockets_forbidden_and_is_imported_late():
    done = subprocess.run([sys.executable, "-c", OFFLINE], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("language", WHEELS)
def test_whole_code_parses_and_broken_code_does_not(language):
    grammar = load_grammar(language)
    assert grammar.parses(WHOLE[language])
    assert not grammar.parses(WHOLE[language] + "f(((\n")


@pytest.mark.parametrize(
    ("language", "code"),
    [
        ("javascriptreact", "const a = <b>{c}</b>;\n"),
        ("typescriptreact", "const a: D = <b>{c}</b>;\n"),
        ("javascript", "  f(a) {\n    return a;\n  }\n"),
        ("java", "  int f(int a) {\n    return a;\n  }\n"),
    ],
)
def test_dialects_and_pieces_of_classes(language, code):
    assert load_grammar(language).parses(code)


@pytest.mark.parametrize("language", ["", "plaintext", "markdown"])
def test_a_language_without_a_grammar_has_none(language):
    assert load_grammar(language) is None


def test_a_wheel_that_is_not_installed_means_no_grammar(monkeypatch):
    monkeypatch.setitem(WHEELS, "python", WHEELS["python"].__class__("tree_sitter_not_there"))
    assert load_grammar("python") is None


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("x = 'a‸'\n", "string"),
        ('"""a\nb‸\n"""\n', "string"),
        ("# a‸\n", "comment"),
        ("x = ab‸\n", "identifier"),
    ],
)
def test_node_types_at(code, kind):
    kinds = load_grammar("python").node_types_at(code.replace("‸", ""), code.index("‸"))
    assert kind in kinds
    assert kinds[-1] == "module"


PYTHON = '''class Café:
    """Né à 😀."""

    def total(self, prices=(1, 2)):
        for price in prices:
            if price > 1:
                yield f"{price}: {self}"
        return [
            price,
            "a",
        ]


def other():
    return {"a": 1}
'''

JAVASCRIPT = """class Cart {
  total(prices) {
    return prices.map((price) => `${price} € 😀`);
  }
}

function other() {
  return { a: [1, 2] };
}
"""

PIECES = [
    "(",
    ")",
    "[",
    "]",
    ":",
    "\n",
    "    ",
    '"',
    "'",
    "`",
    "é",
    "😀",
    "x",
    " = ",
    "def f(",
    "return",
    "{",
    "}",
    ",",
]


def parser(language):
    wheel = WHEELS[language]
    return Parser(_load_language(wheel.module, wheel.function))


@pytest.mark.parametrize(("language", "code"), [("python", PYTHON), ("javascript", JAVASCRIPT)])
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_incremental_parsing_gives_the_result_of_parsing_from_scratch(language, code, data):
    trees, anew = Trees(parser(language)), parser(language)
    assert trees.parses(code.encode())
    for _ in range(data.draw(st.integers(1, 6))):
        start = data.draw(st.integers(0, len(code)))
        end = min(len(code), start + data.draw(st.sampled_from([0, 0, 0, 1, 5, 40])))
        edited = code[:start] + data.draw(st.sampled_from(PIECES)) + code[end:]
        whole = anew.parse(edited.encode()).root_node
        assert trees.parses(edited.encode()) is not whole.has_error
        assert str(trees.parse(edited.encode()).root_node) == str(whole) or whole.has_error
        if data.draw(st.booleans()):
            code = edited


def test_code_without_common_parts_is_parsed():
    trees = Trees(parser("python"))
    assert trees.parses(PYTHON.encode())
    assert trees.parses(b"")
    assert trees.parses(b"y = 1\n")
    assert not trees.parses(b"y = (\n")
    assert trees.parses(b"y = 1\n")


def test_earlier_versions_use_no_memory():
    trees = Trees(parser("python"))
    trees.parses(PYTHON.encode())
    tracemalloc.start()
    try:
        for number in range(600):
            trees.parses(f"{PYTHON}x = {number}\n".encode())
            trees.parses(f"{PYTHON}x = (\n{number}".encode())
            if number == 100:
                before = tracemalloc.get_traced_memory()[0]
        assert tracemalloc.get_traced_memory()[0] - before < 50_000
    finally:
        tracemalloc.stop()


def test_parsed_text_does_not_stay_in_memory():
    trees = Trees(parser("python"))
    trees.parse(b"a = 0\n" * 1000)
    tracemalloc.start()
    try:
        for number in range(200):
            trees.parse(b"a = %d\n" % number * 1000)
        lines = tracemalloc.take_snapshot().statistics("lineno")
    finally:
        tracemalloc.stop()
    texts = [line.size for line in lines if "bytes(view[" in linecache.getline(*line_of(line))]
    assert sum(texts) < 50_000  # all of the texts have 1,500,000 bytes


def line_of(statistic):
    return statistic.traceback[0].filename, statistic.traceback[0].lineno
