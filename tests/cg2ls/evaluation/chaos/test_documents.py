"""The editor's side of a text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cg2ls.evaluation.chaos.documents import OPEN_DOCUMENTS, OpenDocument, OpenDocuments, describe_misfit

TEXTS = st.text(st.sampled_from("a\n🦉é"), max_size=12)


def offset(text: str, position: dict[str, int]) -> int:
    lines = text.split("\n")[: position["line"] + 1]
    last = lines[-1].encode("utf-16-le")[: 2 * position["character"]].decode("utf-16-le")
    return sum(len(line) + 1 for line in lines[:-1]) + len(last)


@given(TEXTS, TEXTS)
def test_a_change_makes_the_new_text_of_the_old(old, new):
    document = OpenDocument("file:///a.py", "python", old)
    change = document.replace_text(new)
    start, end = (offset(old, change["range"][name]) for name in ("start", "end"))
    assert old[:start] + change["text"] + old[end:] == new == document.text


def test_every_change_has_the_next_version():
    document = OpenDocument("file:///a.py", "python", "a")
    versions = [document.make_change({"text": "b"})["textDocument"]["version"] for _ in range(2)]
    assert versions == [2, 3]


def test_the_document_typed_in_longest_ago_is_the_one_to_close():
    documents = OpenDocuments()
    for number in range(OPEN_DOCUMENTS):
        documents.open(OpenDocument(f"file:///{number}.py", "python", ""))
    assert documents.find_surplus() is None
    documents.activate("file:///0.py")
    documents.open(OpenDocument("file:///more.py", "python", ""))
    assert documents.find_surplus() == "file:///1.py"


DOCUMENT = OpenDocument("file:///a.py", "python", "x = 🦉()\ny\n", offset=5)


def answer(start: tuple[int, int], end: tuple[int, int]) -> dict:
    places = [{"line": line, "character": character} for line, character in (start, end)]
    return {"items": [{"insertText": "z", "range": dict(zip(("start", "end"), places, strict=True))}]}


@pytest.mark.parametrize("result", [None, {"items": []}, answer((0, 6), (0, 6)), answer((0, 6), (0, 8))])
def test_nothing_and_ranges_within_the_line_fit(result):
    assert describe_misfit(DOCUMENT, result) == ""


@pytest.mark.parametrize(
    ("result", "says"),
    [
        (answer((0, 5), (0, 5)), "requested at"),
        (answer((1, 0), (1, 0)), "requested at"),
        (answer((0, 6), (0, 9)), "the line ends at"),
        (answer((0, 6), (1, 0)), "the line ends at"),
    ],
)
def test_ranges_elsewhere_or_past_the_line_do_not(result, says):
    assert says in describe_misfit(DOCUMENT, result)
