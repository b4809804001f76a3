"""Each message of the client with each of its fields missing, null, huge, negative or of a near type."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lsprotocol import types

from cg2ls.server.app import Server
from cg2ls.server.fields import (
    MAX_NUMBER,
    DocumentChange,
    DocumentId,
    DocumentItem,
    Splice,
    UnreadableChange,
    UnreadableError,
)
from cg2ls.server.messages import READERS
from cg2ls.server.settings import Settings

URI = "file:///a.py"
AT = {"line": 0, "character": 0}
PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
NAMES = [
    *(
        "textDocument",
        "uri",
        "languageId",
        "version",
        "text",
        "contentChanges",
        "range",
        "start",
        "end",
        "line",
    ),
    *(
        "character",
        "position",
        "context",
        "triggerKind",
        "selectedCompletionInfo",
        "notebookDocument",
        "cells",
    ),
    *(
        "cellTextDocuments",
        "change",
        "structure",
        "array",
        "deleteCount",
        "didOpen",
        "didClose",
        "textContent",
    ),
    *(
        "document",
        "changes",
        "kind",
        "event",
        "added",
        "removed",
        "settings",
        "id",
        "token",
        "value",
        "command",
    ),
    *("arguments", "capabilities", "general", "positionEncodings", "window", "workspace", "workspaceFolders"),
    *("rootUri", "rootPath", "processId", "initializationOptions"),
]
JSON = st.recursive(
    PLAIN,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5),
    max_leaves=20,
)


def read(method: str, **params: object):
    return READERS[method](params)


def test_every_method_that_is_served_has_a_reader():
    protocol = Server(Settings()).protocol
    assert {*protocol.fm.features, *protocol.fm.builtin_features} <= READERS.keys()


@given(st.sampled_from(sorted(READERS)), JSON)
def test_any_value_is_read_or_refused_by_name(method, raw):
    refusal = None
    try:
        READERS[method](raw)
    except UnreadableError as error:
        refusal = str(error)
    assert refusal != ""


@pytest.mark.parametrize(
    ("odd", "item"),
    [
        ({}, DocumentItem(URI, "lua", 3, "x")),
        ({"languageId": None}, DocumentItem(URI, "python", 3, "x")),
        ({"languageId": 5}, DocumentItem(URI, "python", 3, "x")),
        ({"languageId": ...}, DocumentItem(URI, "python", 3, "x")),
        ({"languageId": None, "uri": "untitled:1"}, DocumentItem("untitled:1", "", 3, "x")),
        ({"version": None}, DocumentItem(URI, "lua", None, "x")),
        ({"version": ...}, DocumentItem(URI, "lua", None, "x")),
        ({"version": "4"}, DocumentItem(URI, "lua", 4, "x")),
        ({"version": 2**53}, DocumentItem(URI, "lua", 2**53, "x")),
        ({"version": True}, DocumentItem(URI, "lua", None, "x")),
        ({"text": None}, DocumentItem(URI, "lua", 3, None)),
        ({"text": ...}, DocumentItem(URI, "lua", 3, None)),
        ({"text": 5}, DocumentItem(URI, "lua", 3, None)),
        ({"text": ""}, DocumentItem(URI, "lua", 3, "")),
    ],
)
def test_an_opened_document_needs_only_a_uri(odd, item):
    plain = {"uri": URI, "languageId": "lua", "version": 3, "text": "x"} | odd
    sent = {name: value for name, value in plain.items() if value is not ...}
    assert read(types.TEXT_DOCUMENT_DID_OPEN, textDocument=sent) == item


@pytest.mark.parametrize("method", [types.TEXT_DOCUMENT_DID_OPEN, types.TEXT_DOCUMENT_DID_CLOSE])
@pytest.mark.parametrize("document", [None, [], {}, {"uri": None}, {"uri": ""}, {"uri": 5}])
def test_a_message_about_no_document_is_refused(method, document):
    with pytest.raises(UnreadableError, match=r"textDocument\.uri"):
        read(method, textDocument=document)


def change_of(change: object) -> object:
    sent = read(types.TEXT_DOCUMENT_DID_CHANGE, textDocument={"uri": URI}, contentChanges=[change])
    assert isinstance(sent, DocumentChange)
    return sent.changes[0]


def test_a_range_that_is_null_is_a_whole_text():
    whole = types.TextDocumentContentChangeWholeDocument(text="x")
    assert change_of({"range": None, "rangeLength": None, "text": "x"}) == whole
    assert change_of({"text": "x"}) == whole


@pytest.mark.parametrize("number", [4294967295, 2**31, 2**53, 10**400, 1e300, "4294967295"])
def test_an_end_beyond_all_numbers_is_past_the_end(number):
    change = change_of({"range": {"start": AT, "end": {"line": number, "character": number}}, "text": "x"})
    assert change.range.end == types.Position(MAX_NUMBER, MAX_NUMBER)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"range": {"start": AT, "end": AT}}, "text"),
        ({"range": {"start": AT, "end": AT}, "text": None}, "text"),
        ({"range": {"start": AT}, "text": "x"}, "range.end.line"),
        ({"range": {"start": {"line": True, "character": 0}, "end": AT}, "text": "x"}, "range.start.line"),
        ({"range": 5, "text": "x"}, "range.start.line"),
        (None, "text"),
    ],
)
def test_a_change_that_cannot_be_read_is_kept_as_such_and_names_the_field(change, field):
    found = change_of(change)
    assert isinstance(found, UnreadableChange)
    assert f"contentChanges.{field} must be" in found.reason


@pytest.mark.parametrize("changes", [None, 5, "x"])
def test_changes_that_are_no_list_count_as_one_unreadable_change(changes):
    found = read(types.TEXT_DOCUMENT_DID_CHANGE, textDocument={"uri": URI}, contentChanges=changes)
    assert isinstance(found.changes[0], UnreadableChange)
    assert read(types.TEXT_DOCUMENT_DID_CHANGE, textDocument={"uri": URI}, contentChanges=[]).changes == []


def test_single_change_without_a_list_is_accepted():
    found = read(types.TEXT_DOCUMENT_DID_CHANGE, textDocument={"uri": URI}, contentChanges={"text": "x"})
    assert found == DocumentChange(DocumentId(URI), [types.TextDocumentContentChangeWholeDocument(text="x")])


def test_a_cell_without_a_document_keeps_its_place():
    book = {
        "uri": "n",
        "cells": [{"kind": 2, "document": None}, None, {"document": "c"}, {"kind": 1, "document": "d"}],
    }
    found = read(types.NOTEBOOK_DOCUMENT_DID_OPEN, notebookDocument=book, cellTextDocuments=None)
    assert [cell.document for cell in found.cells] == ["", "", "c", "d"]
    assert [cell.kind.value for cell in found.cells] == [2, 2, 2, 1]
    assert found.documents == []


@pytest.mark.parametrize(
    ("cells", "order", "texts"),
    [
        (None, True, True),
        ({}, True, True),
        (5, False, False),
        ({"structure": None, "textContent": None}, True, True),
        ({"structure": {}}, False, True),
        ({"structure": {"array": {"start": 0}}}, False, True),
        ({"structure": {"array": {"start": None, "deleteCount": 1}}}, False, True),
        ({"textContent": 5}, True, False),
    ],
)
def test_unreadable_notebook_change_makes_texts_unknown(cells, order, texts):
    found = read(types.NOTEBOOK_DOCUMENT_DID_CHANGE, notebookDocument={"uri": "n"}, change={"cells": cells})
    assert (found.is_order_known, found.are_texts_known) == (order, texts)


def test_cells_are_put_where_numbers_can_be_read():
    array = {"start": "1", "deleteCount": 4294967295}
    change = {
        "cells": {
            "structure": {"array": array, "didOpen": [{"uri": "c", "text": "x"}, 5], "didClose": [None]}
        }
    }
    found = read(types.NOTEBOOK_DOCUMENT_DID_CHANGE, notebookDocument={"uri": "n"}, change=change)
    assert found.splice == Splice(1, MAX_NUMBER, [])
    assert [item.uri for item in found.opened] == ["c"]
    assert found.closed == []


@pytest.mark.parametrize(
    "capabilities", [None, [], {}, {"general": None, "window": 5, "workspace": [], "textDocument": ""}]
)
@pytest.mark.parametrize("process", [None, 0, -1, 2**53, "x", True, 1.5])
def test_a_handshake_with_only_odd_fields_is_that_of_a_plain_client(capabilities, process):
    found = read(
        types.INITIALIZE,
        processId=process,
        rootUri="file://[x/",
        workspaceFolders=[None, 5, {"uri": 5}],
        capabilities=capabilities,
        trace=5,
    )
    assert (found.process_id, found.root_uri, found.workspace_folders) == (None, None, None)
    assert found.capabilities.text_document.inline_completion is None
    assert not found.capabilities.window.work_done_progress


def test_handshake_values_of_similar_types_are_accepted():
    found = read(
        types.INITIALIZE,
        processId="7",
        rootPath="/p",
        workspaceFolders={"uri": "file:///q"},
        capabilities={
            "general": {"positionEncodings": [5, "utf-8"]},
            "textDocument": {"inlineCompletion": True},
            "window": {"workDoneProgress": 1},
        },
    )
    assert (found.process_id, found.root_uri) == (7, "file:///p")
    assert [folder.uri for folder in found.workspace_folders] == ["file:///q"]
    assert found.capabilities.general.position_encodings == ["utf-8"]
    assert found.capabilities.text_document.inline_completion is not None
    assert found.capabilities.window.work_done_progress is True


@pytest.mark.parametrize(
    "context", [None, 5, {}, {"triggerKind": None}, {"triggerKind": 0}, {"triggerKind": "2"}]
)
def test_ghost_text_without_a_trigger_is_automatic(context):
    found = read(
        types.TEXT_DOCUMENT_INLINE_COMPLETION, textDocument={"uri": URI}, position=AT, context=context
    )
    assert found.context.trigger_kind is types.InlineCompletionTriggerKind.Automatic
    assert found.context.selected_completion_info is None


@pytest.mark.parametrize(
    ("context", "kind"), [(None, 1), ({"triggerKind": "1"}, 1), ({}, 2), ({"triggerKind": 3}, 2)]
)
def test_menu_request_without_context_counts_as_invoked(context, kind):
    found = read(types.TEXT_DOCUMENT_COMPLETION, textDocument={"uri": URI}, position=AT, context=context)
    assert found.context.trigger_kind.value == kind


@pytest.mark.parametrize("identity", [None, True, [], {}, float("nan")])
def test_a_cancellation_of_no_request_is_refused(identity):
    with pytest.raises(UnreadableError, match="id must be"):
        read(types.CANCEL_REQUEST, id=identity)


@pytest.mark.parametrize(
    ("arguments", "read_as"), [(None, None), ([], []), ("x", ["x"]), ([None, 5], [None, 5])]
)
def test_command_argument_without_a_list_is_accepted(arguments, read_as):
    found = read(types.WORKSPACE_EXECUTE_COMMAND, command="c", arguments=arguments)
    assert found.arguments == read_as


def test_folders_without_a_name_and_files_without_a_kind_of_change_are_taken():
    event = {"added": [{"uri": "file:///p"}, "file:///q", None], "removed": None}
    found = read(types.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS, event=event)
    assert (found.added, found.removed) == (["file:///p", "file:///q"], [])
    found = read(
        types.WORKSPACE_DID_CHANGE_WATCHED_FILES, changes=[{"uri": URI}, {"type": 1}, {"uri": "b", "type": 9}]
    )
    assert [change.uri for change in found.changes] == [URI, "b"]


@pytest.mark.parametrize("value", [None, 5, "loud", []])
def test_an_unknown_trace_is_off(value):
    assert read(types.SET_TRACE, value=value).value is types.TraceValue.Off
