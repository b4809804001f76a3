"""Parsing from an earlier tree gives the result of parsing from scratch."""

from __future__ import annotations

import linecache
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tree_sitter import Parser

from cg2ls.completion.syntax.grammar import WHEELS, _load_language
from cg2ls.completion.syntax.trees import Trees

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
