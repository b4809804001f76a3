"""Odd messages are JSON, and the editor knows what its odd edits mean."""

from __future__ import annotations

import json

import pytest

from cg2ls.evaluation.chaos import odd_messages
from cg2ls.evaluation.chaos.documents import OpenDocument

TEXT, NEW = "def f():\n    return 1\n", "def f():\n    return 2\n# é\n"
KINDS = range(len(odd_messages.make_edits(OpenDocument("", "", ""), "")))


def document() -> OpenDocument:
    return OpenDocument("file:///a.py", "python", TEXT, version=4, offset=9)


@pytest.mark.parametrize("kind", KINDS)
def test_an_odd_edit_leaves_its_document_with_an_intended_text(kind):
    edited = document()
    params = odd_messages.make_edits(edited, NEW)[kind]()
    assert json.loads(json.dumps(params))["textDocument"]["uri"] == edited.uri
    assert edited.version == 5
    assert edited.text in (TEXT, NEW, TEXT[:9] + "\n")
    whole = [change.get("text") for change in params["contentChanges"] or () if not change.get("range")]
    assert [text for text in whole if text is not None] in ([], [edited.text])


def test_building_the_list_edits_nothing():
    untouched = document()
    odd_messages.make_edits(untouched, NEW)
    assert untouched == document()


def test_every_odd_message_can_be_sent():
    assert json.dumps([odd_messages.make_requests(document()), odd_messages.make_notifications()])
    assert json.dumps([odd_messages.choose_settings(number) for number in range(50)])
