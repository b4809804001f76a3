"""Acceptance of a shown completion is inferred from edits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lsprotocol import types

from cg2ls.server.documents import Documents
from cg2ls.server.usage import Shown, Taken

URI = "file:///a.py"
TEXT = "width * height\n    return area"


class Editor:
    """A document in which `text` is shown at `|`."""

    def __init__(self, art: str, text: str = TEXT, *others: str) -> None:
        before, _, after = art.partition("|")
        self.documents = Documents()
        self.documents.open(types.TextDocumentItem(URI, "python", 1, before + after))
        snapshot = self.documents.snapshot(URI)
        self.at = snapshot.position(before.count("\n"), len(before))
        self.shown = Shown(self.at, text, "python", "m", others)

    def insert(self, text: str, at: types.Position | None = None) -> tuple[Taken | None, bool]:
        at = at or self.at
        edit = types.TextDocumentContentChangePartial(range=types.Range(at, at), text=text)
        document = self.documents.change(types.VersionedTextDocumentIdentifier(2, URI), [edit])
        lines = text.split("\n")
        column = len(lines[-1]) + (at.character if len(lines) == 1 else 0)
        self.at = types.Position(at.line + len(lines) - 1, column)
        return self.shown.edited([edit], document.text_from)


@pytest.fixture
def editor():
    return Editor("area = |\nprint(area)\n")


def test_the_whole_text_at_once_is_accepted(editor):
    assert editor.insert(TEXT) == (Taken(len(TEXT), whole=True, first=True), False)


def test_windows_line_ends_make_no_difference(editor):
    assert editor.insert(TEXT.replace("\n", "\r\n")) == (Taken(len(TEXT), whole=True, first=True), False)


def test_word_after_word_is_accepted_in_part_until_the_last(editor):
    assert editor.insert("width") == (Taken(5, whole=False, first=True), True)
    assert editor.insert(" * height") == (Taken(9, whole=False, first=False), True)
    assert editor.insert("\n    return area") == (Taken(16, whole=True, first=False), False)


def test_one_of_several_that_was_chosen_is_accepted():
    editor = Editor("area = |\n", "width * height", "width ** 2", "radius")
    assert editor.insert("width ") == (Taken(6, whole=False, first=True), True)
    assert editor.insert("** 2") == (Taken(4, whole=True, first=False), False)


def test_a_line_is_a_part(editor):
    assert editor.insert("width * height\n") == (Taken(15, whole=False, first=True), True)


def test_typing_it_out_accepts_nothing(editor):
    for char in TEXT[:-1]:
        assert editor.insert(char) == (None, True)
    assert editor.insert(TEXT[-1]) == (None, False)


def test_two_keys_in_one_change_are_still_typing(editor):
    assert editor.insert("wi") == (None, True)
    assert editor.insert("dth") == (Taken(3, whole=False, first=True), True)


def test_an_edit_that_ends_inside_a_word_counts_as_typing(editor):
    assert editor.insert("width * hei") == (None, True)


def test_other_text_ends_it(editor):
    assert editor.insert("w") == (None, True)
    assert editor.insert("x") == (None, False)


def test_an_edit_before_it_ends_it(editor):
    assert editor.insert("import os\n", types.Position(0, 0)) == (None, False)


def test_a_whole_new_text_ends_it(editor):
    change = types.TextDocumentContentChangeWholeDocument(text="area = width * height")
    assert editor.shown.edited([change], lambda *_: TEXT) == (None, False)


def test_a_character_taken_back_leaves_it(editor):
    editor.insert("wi")
    end = editor.at
    cut = types.TextDocumentContentChangePartial(range=types.Range(types.Position(0, 8), end), text="")
    document = editor.documents.change(types.VersionedTextDocumentIdentifier(3, URI), [cut])
    assert editor.shown.edited([cut], document.text_from) == (None, True)
    assert editor.shown.rest == TEXT[1:]


def test_a_closer_that_stood_there_is_part_of_it():
    editor = Editor("print(|)\n", text="area)")
    at = editor.at
    over = types.TextDocumentContentChangePartial(
        range=types.Range(at, types.Position(at.line, at.character + 1)), text="area)"
    )
    document = editor.documents.change(types.VersionedTextDocumentIdentifier(2, URI), [over])
    assert editor.shown.edited([over], document.text_from) == (Taken(5, whole=True, first=True), False)


def test_the_rest_shown_again_is_the_same_completion(editor):
    editor.insert("wid")
    assert editor.shown.is_continued_by("th * height")
    assert not editor.shown.is_continued_by("get")


@given(
    st.text("ab \n", min_size=2, max_size=12).map(lambda text: text.rstrip() + "b"),
    st.lists(st.integers(1, 12), max_size=6),
)
def test_no_more_is_taken_than_was_shown(text, cuts):
    editor, taken, left = Editor("x = |\ny\n", text), 0, text
    for cut in [*cuts, len(text)]:
        part, left = left[:cut], left[cut:]
        if part:
            found, stays = editor.insert(part)
            taken += found.characters if found else 0
            assert stays is bool(left)
    assert taken <= len(text)
