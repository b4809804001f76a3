"""Snippets found by their words."""

from __future__ import annotations

import math

import pytest

from cg2ls.retrieval.context.snippets import SnippetIndex, imported_names, words_of


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("from a.b import C, d as e  # f\n", ["C", "d"]),
        ("from . import (\n    a,\n    b,\n)\n", ["a", "b"]),
        ('import { A, b as c } from "./d";\n', ["A", "b"]),
        ("use a::{B, c};\n", ["B", "c"]),
        ("import os\nx = 1\n", []),
        ("from a import b\nfrom c import b\n", ["b"]),
    ],
)
def test_imported_names(text, names):
    assert imported_names(text) == names


FILES = [
    (
        "orders.py",
        "class Order:\n    def settle(self, customer):\n        return self.balance_of(customer)\n",
    ),
    ("mail.py", "def send_mail(customer, subject):\n    smtp.deliver(customer.address, subject)\n"),
    ("paint.py", "def paint(canvas):\n    canvas.stroke(colour)\n"),
]


def similar(index, text, outside="", max_snippets=9, until=math.inf):
    found = index.similar(words_of(text), outside=outside, max_snippets=max_snippets, until=until)
    return [snippet.path for snippet in found]


def test_snippets_with_more_and_rarer_common_words_come_first():
    index = SnippetIndex(FILES)
    assert similar(index, "smtp.deliver(customer)") == ["mail.py", "orders.py"]


def test_a_file_does_not_count_for_itself():
    assert similar(SnippetIndex(FILES), "smtp.deliver(customer)", outside="mail.py") == ["orders.py"]


def test_search_returns_what_it_found_within_its_time_limit():
    assert similar(SnippetIndex(FILES), "smtp.deliver(customer)", until=-math.inf) == []


def test_an_empty_query_or_index_finds_nothing():
    assert similar(SnippetIndex(), "smtp") == []


def test_definitions_are_found_by_name():
    (found,) = SnippetIndex(FILES).definitions("Order", outside="mail.py")
    assert (found.path, found.line) == ("orders.py", 0)
    assert found.text.startswith("class Order:\n    def settle")
    assert SnippetIndex(FILES).definitions("Order", outside="orders.py") == []


def test_reading_ends_on_request():
    assert len(SnippetIndex(FILES, lambda: True)) == 0
