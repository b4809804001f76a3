"""The text of other files before a prompt: snippets found by their words, and their choice."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cg2ls.retrieval import context as context_module
from cg2ls.retrieval.context import (
    MAX_CURSOR_LINES,
    MAX_PLACES,
    SNIPPET_LINES,
    PromptContext,
    RecentPlaces,
    SnippetIndex,
    imported_names,
    words_of,
)


@pytest.fixture(autouse=True)
def _without_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context_module, "LIMIT_S", math.inf)


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


ORDER_FILES = [
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
    index = SnippetIndex(ORDER_FILES)
    assert similar(index, "smtp.deliver(customer)") == ["mail.py", "orders.py"]


def test_a_file_does_not_count_for_itself():
    assert similar(SnippetIndex(ORDER_FILES), "smtp.deliver(customer)", outside="mail.py") == ["orders.py"]


def test_search_returns_what_it_found_within_its_time_limit():
    assert similar(SnippetIndex(ORDER_FILES), "smtp.deliver(customer)", until=-math.inf) == []


def test_an_empty_query_or_index_finds_nothing():
    assert similar(SnippetIndex(), "smtp") == []


def test_definitions_are_found_by_name():
    (found,) = SnippetIndex(ORDER_FILES).definitions("Order", outside="mail.py")
    assert (found.path, found.line) == ("orders.py", 0)
    assert found.text.startswith("class Order:\n    def settle")
    assert SnippetIndex(ORDER_FILES).definitions("Order", outside="orders.py") == []


def test_reading_ends_on_request():
    assert len(SnippetIndex(ORDER_FILES, lambda: True)) == 0


FILES = [
    ("ledger.py", "class Ledger:\n    def settle(self, customer):\n        return customer.balance\n"),
    ("mail.py", "def send_mail(customer, subject):\n    smtp.deliver(customer.address, subject)\n"),
    ("paint.py", "def paint(canvas):\n    canvas.stroke(colour)\n"),
]
TEXT = "from ledger import Ledger\n\n\ndef close(customer, subject):\n    ledger = Ledger()\n    deliver(\n"


def words(text: str) -> int:
    return len(text.split())


@pytest.fixture
def context():
    return PromptContext("python", words, SnippetIndex(FILES))


def test_definitions_and_similar_code_follow_their_file_names(context):
    assert context.text("main.py", TEXT, len(TEXT), 100) == (
        "# ledger.py\nclass Ledger:\n    def settle(self, customer):\n        return customer.balance\n\n"
        "# mail.py\ndef send_mail(customer, subject):\n    smtp.deliver(customer.address, subject)\n\n"
    )


def test_recently_visited_places_count(context):
    context.recent.add("till.py", "def close(customer, subject, drawer):\n    count(drawer, coins)\n", 0)
    assert "# till.py\n" in context.text("main.py", TEXT, len(TEXT), 100)


def test_the_document_itself_is_not_selected(context):
    context.recent.add("main.py", TEXT, 0)
    context.index = SnippetIndex([*FILES, ("main.py", TEXT)])
    assert "# main.py" not in context.text("main.py", TEXT, len(TEXT), 100)


def test_the_selection_stays_until_the_cursor_moves_far(context):
    text = TEXT + "x = 1\n" * 2 * MAX_CURSOR_LINES
    first = context.text("main.py", text, len(TEXT), 100)
    context.index = SnippetIndex()
    assert context.text("main.py", text + "y", len(TEXT) + 6 * MAX_CURSOR_LINES, 100) == first
    assert context.text("main.py", text, len(TEXT) + 6 * MAX_CURSOR_LINES + 6, 100) == ""


def test_search_is_not_repeated_once_files_are_read(context):
    read, context.index = context.index, SnippetIndex()
    assert context.text("main.py", TEXT, len(TEXT), 100) == ""
    context.index = read
    assert context.text("main.py", TEXT, len(TEXT), 100)


def test_closed_document_is_chosen_for_again(context):
    context.text("main.py", TEXT, len(TEXT), 100)
    context.index = SnippetIndex()
    context.forget("main.py")
    assert context.text("main.py", TEXT, len(TEXT), 100) == ""


def test_the_order_does_not_depend_on_how_well_they_fit(context):
    for order in (FILES, FILES[::-1]):
        context = PromptContext("python", words, SnippetIndex(order))
        names = [line for line in context.text("main.py", TEXT, len(TEXT), 100).split("\n") if "#" in line]
        assert names == ["# ledger.py", "# mail.py"]


@given(st.integers(0, 60))
def test_whole_snippets_stay_within_the_token_limit(tokens):
    text = PromptContext("python", words, SnippetIndex(FILES)).text("main.py", TEXT, len(TEXT), tokens)
    assert words(text) <= tokens
    assert text == "" or text.endswith("\n\n")


def test_other_languages_have_other_comments():
    context = PromptContext(
        "typescript",
        words,
        SnippetIndex([("a.ts", "function close(customer) { deliver(subject, stamp, address) }\n")]),
    )
    assert context.text("b.ts", "deliver(customer, subject)\n", 0, 50).startswith("// a.ts\n")


def lines(*words: str) -> str:
    return "".join(f"{word} = {word}_of(first, second)\n" for word in words)


def test_the_newest_place_is_the_first():
    places = RecentPlaces()
    places.add("a.py", lines("alpha"), 0)
    places.add("b.py", lines("beta"), 0)
    assert [seen.path for seen in places] == ["b.py", "a.py"]


def test_a_place_visited_again_is_stored_once_with_its_current_text():
    places = RecentPlaces()
    places.add("a.py", lines("alpha"), 0)
    places.add("a.py", lines("alpha", "gamma"), 0)
    assert [seen.text for seen in places] == [lines("alpha", "gamma") + "\n"]


def test_the_same_text_in_another_file_is_one_place():
    places = RecentPlaces()
    places.add("a.py", lines("alpha", "beta"), 0)
    places.add("copy.py", lines("alpha", "beta"), 0)
    assert [seen.path for seen in places] == ["copy.py"]


@given(st.text("ab\n \x0c", max_size=400), st.data())
def test_number_and_length_of_places_are_limited(text, data):
    places = RecentPlaces()
    for number in range(2 * MAX_PLACES):
        places.add(f"{number}.py", f"name_{number}\n" + text, data.draw(st.integers(0, len(text))))
    assert len(list(places)) <= MAX_PLACES
    assert all(seen.text.count("\n") <= SNIPPET_LINES for seen in places)
