"""Grammars load without a network, and only when they are needed."""

from __future__ import annotations

import subprocess
import sys

import pytest

from cg2ls.completion.syntax.grammar import WHEELS, load_grammar

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
