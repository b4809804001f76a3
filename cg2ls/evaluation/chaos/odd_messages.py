"""Unusual messages of working clients: unknown documents, or fields that are missing, null or huge."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cg2ls.evaluation.chaos.conversation import Conversation
    from cg2ls.evaluation.chaos.documents import OpenDocument

Json = dict[str, Any]

MAX_UINT32 = 2**32 - 1
UNKNOWN_URI = "file:///nowhere/at/all.py"
INLINE = "textDocument/inlineCompletion"


def make_requests(document: OpenDocument) -> list[tuple[str, Any]]:
    """Return requests that must be answered, if only with an error."""
    here = {"uri": document.uri}
    start = {"line": 0, "character": 0}
    context = {"triggerKind": 2}
    return [
        ("textDocument/hover", {"textDocument": here, "position": start}),
        ("no/suchMethod", None),
        ("no/suchMethod", {"a": [None, {}]}),
        ("initialize", {"processId": None, "rootUri": None, "capabilities": {}}),
        ("workspace/executeCommand", {"command": "cg2ls.server.status", "arguments": [None, MAX_UINT32]}),
        ("workspace/executeCommand", {"command": "cg2ls.server.stats"}),
        ("workspace/executeCommand", {"command": "no.such.command", "arguments": None}),
        ("workspace/executeCommand", {"command": None}),
        ("cg2ls/status", None),
        ("cg2ls/status", {"textDocument": None}),
        ("textDocument/didChange", {"textDocument": here, "contentChanges": []}),
        (INLINE, None),
        (INLINE, []),
        (INLINE, {}),
        (INLINE, {"textDocument": here, "position": start}),
        (INLINE, {"textDocument": here, "position": start, "context": None}),
        (INLINE, {"textDocument": here, "position": None, "context": context}),
        (INLINE, {"textDocument": None, "position": start, "context": context}),
        (INLINE, {"textDocument": {"uri": None}, "position": start, "context": context}),
        (INLINE, {"textDocument": {"uri": UNKNOWN_URI}, "position": start, "context": context}),
        (INLINE, {"textDocument": here, "position": start, "context": {"triggerKind": 99}}),
        *(
            (INLINE, {"textDocument": here, "position": position, "context": context})
            for position in (
                {"line": MAX_UINT32, "character": MAX_UINT32},
                {"line": 0, "character": MAX_UINT32},
                {"line": -1, "character": -1},
                {"line": "0", "character": "0"},
                {"line": 0.0, "character": 0.0},
                {"line": None, "character": None},
                {"line": 0},
            )
        ),
    ]


def make_notifications() -> list[tuple[str, Any]]:
    """Return notifications that change no document."""
    nowhere = {"uri": UNKNOWN_URI}
    return [
        ("no/suchNotification", {"a": None}),
        ("$/noSuchNotification", None),
        ("$/cancelRequest", {"id": MAX_UINT32}),
        ("$/cancelRequest", {"id": "no such request"}),
        ("$/cancelRequest", {"id": None}),
        ("$/cancelRequest", {}),
        ("$/setTrace", {"value": "no such level"}),
        ("$/progress", {"token": None, "value": None}),
        ("window/workDoneProgress/cancel", {"token": "no such token"}),
        ("initialized", {}),
        ("textDocument/didClose", {"textDocument": nowhere}),
        ("textDocument/didClose", None),
        ("textDocument/didSave", {"textDocument": nowhere}),
        ("textDocument/didSave", {"textDocument": None}),
        ("textDocument/didChange", {"textDocument": {**nowhere, "version": 2}, "contentChanges": [{"text": ""}]}),
        ("textDocument/didChange", None),
        ("notebookDocument/didOpen", None),
        ("notebookDocument/didChange", {"notebookDocument": None, "change": None}),
        ("notebookDocument/didClose", {"notebookDocument": {"uri": UNKNOWN_URI}, "cellTextDocuments": []}),
        ("workspace/didChangeWatchedFiles", {"changes": None}),
        ("workspace/didChangeWatchedFiles", {"changes": [{"uri": UNKNOWN_URI, "type": 99}]}),
        ("workspace/didChangeWorkspaceFolders", {"event": None}),
        ("textDocument/didShowCompletion", {"item": None}),
    ]  # fmt: skip


def make_broken_messages(conversation: Conversation) -> list[Callable[[], None]]:
    """Return functions that each send something that is no message."""
    return [
        lambda: conversation.send_bytes(b""),
        lambda: conversation.send_bytes(b"{"),
        lambda: conversation.send_bytes(b"\xff\xfe"),
        lambda: conversation.send_bytes(b"[" * 5000),
        lambda: conversation.send_message([]),
        lambda: conversation.send_message({"jsonrpc": "2.0"}),
        lambda: conversation.send_message({"jsonrpc": "2.0", "id": MAX_UINT32, "result": None}),
        lambda: conversation.send_message({"jsonrpc": "2.0", "id": "nobody asked", "error": None}),
        lambda: conversation.send_message({"jsonrpc": "2.0", "id": None, "method": INLINE, "params": {}}),
    ]


def make_edits(document: OpenDocument, text: str) -> list[Callable[[], Json]]:
    """Return functions that each take a new text and return unusual but unambiguous parameters for it.

    The last ones are ambiguous: the server may follow them or declare the text unknown, and nothing else.
    """
    before = document.text

    def send_whole(**more: Any) -> Json:
        document.text = text
        return document.make_change({"text": text, **more})

    def change_version(version: Any) -> Json:
        params = document.make_change(document.replace_text(text))
        return {**params, "textDocument": {"uri": document.uri, **version}}

    def cut_after_cursor(line: int, character: int) -> Json:
        offset = document.offset
        start = document.position_of(offset)
        document.text = before[:offset] + "\n"
        return document.make_change(
            {"range": {"start": start, "end": {"line": line, "character": character}}, "text": "\n"}
        )

    def convert_positions(convert: Callable[[int], Any]) -> Json:
        change = document.replace_text(text)
        for position in change["range"].values():
            position.update({name: convert(value) for name, value in position.items()})
        return document.make_change(change)

    return [
        lambda: send_whole(),
        lambda: send_whole(range=None),
        lambda: send_whole(range=None, rangeLength=None),
        lambda: send_whole(rangeLength=MAX_UINT32),
        lambda: document.make_change(document.replace_text(text) | {"rangeLength": None}),
        lambda: document.make_change(document.replace_text(text) | {"rangeLength": MAX_UINT32}),
        lambda: document.make_change(document.replace_text(text) | {"someExtension": [1]}),
        lambda: change_version({"version": None}),
        lambda: change_version({}),
        lambda: change_version({"version": 0}),
        lambda: change_version({"version": -7}),
        lambda: change_version({"version": MAX_UINT32}),
        lambda: cut_after_cursor(MAX_UINT32, MAX_UINT32),
        lambda: cut_after_cursor(MAX_UINT32, 0),
        lambda: document.make_change(),
        lambda: convert_positions(float),
        lambda: convert_positions(str),
        lambda: document.make_change(document.replace_text(text), {"text": None}),
        lambda: document.make_change({"range": None}),
        lambda: {**document.make_change(), "contentChanges": None},
    ]


def choose_settings(number: int) -> Any:
    """Return settings that users try, including wrong ones; none of them stops completion."""
    choices: list[Any] = [
        {},
        None,
        "no object",
        {"delayMs": 0},
        {"delayMs": 1, "maxLines": 1},
        {"maxLines": "many"},
        {"noSuchOption": True},
        {"memory": False},
        {"candidates": 2},
        {"contextTokens": 100},
        {"minConfidence": 0.5, "comments": False},
        {"speculate": False},
        {"exclude": ["nothing-*"]},
        {"languages": {"python": {"maxLines": 2}}, "folders": {"no/such/folder": {"enable": False}}},
        {"languages": None, "folders": 7},
    ]
    return choices[number % len(choices)]
