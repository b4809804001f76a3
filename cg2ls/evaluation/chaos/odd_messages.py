"""What odd but living clients send: messages about nothing, and edits whose fields are missing, null or huge."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cg2ls.evaluation.chaos.conversation import Conversation
    from cg2ls.evaluation.chaos.documents import Open

Json = dict[str, Any]

HUGE = 2**32 - 1
NOWHERE = "file:///nowhere/at/all.py"
INLINE = "textDocument/inlineCompletion"


def requests(document: Open) -> list[tuple[str, Any]]:
    """Requests that must be answered, be it with an error."""
    here = {"uri": document.uri}
    start = {"line": 0, "character": 0}
    context = {"triggerKind": 2}
    return [
        ("textDocument/hover", {"textDocument": here, "position": start}),
        ("no/suchMethod", None),
        ("no/suchMethod", {"a": [None, {}]}),
        ("initialize", {"processId": None, "rootUri": None, "capabilities": {}}),
        ("workspace/executeCommand", {"command": "cg2ls.server.status", "arguments": [None, HUGE]}),
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
        (INLINE, {"textDocument": {"uri": NOWHERE}, "position": start, "context": context}),
        (INLINE, {"textDocument": here, "position": start, "context": {"triggerKind": 99}}),
        *(
            (INLINE, {"textDocument": here, "position": position, "context": context})
            for position in (
                {"line": HUGE, "character": HUGE},
                {"line": 0, "character": HUGE},
                {"line": -1, "character": -1},
                {"line": "0", "character": "0"},
                {"line": 0.0, "character": 0.0},
                {"line": None, "character": None},
                {"line": 0},
            )
        ),
    ]


def notifications() -> list[tuple[str, Any]]:
    """Notifications that change no document."""
    nowhere = {"uri": NOWHERE}
    return [
        ("no/suchNotification", {"a": None}),
        ("$/noSuchNotification", None),
        ("$/cancelRequest", {"id": HUGE}),
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
        ("notebookDocument/didClose", {"notebookDocument": {"uri": NOWHERE}, "cellTextDocuments": []}),
        ("workspace/didChangeWatchedFiles", {"changes": None}),
        ("workspace/didChangeWatchedFiles", {"changes": [{"uri": NOWHERE, "type": 99}]}),
        ("workspace/didChangeWorkspaceFolders", {"event": None}),
        ("textDocument/didShowCompletion", {"item": None}),
    ]  # fmt: skip


def broken(conversation: Conversation) -> list[Callable[[], None]]:
    """Messages that are none."""
    return [
        lambda: conversation.send_bytes(b""),
        lambda: conversation.send_bytes(b"{"),
        lambda: conversation.send_bytes(b"\xff\xfe"),
        lambda: conversation.send_bytes(b"[" * 5000),
        lambda: conversation.send([]),
        lambda: conversation.send({"jsonrpc": "2.0"}),
        lambda: conversation.send({"jsonrpc": "2.0", "id": HUGE, "result": None}),
        lambda: conversation.send({"jsonrpc": "2.0", "id": "nobody asked", "error": None}),
        lambda: conversation.send({"jsonrpc": "2.0", "id": None, "method": INLINE, "params": {}}),
    ]


def edits(document: Open, text: str) -> list[Callable[[], Json]]:
    """Ways to tell of a new text that are odd, but leave no doubt: each takes it in, and gives the parameters.

    The last ones leave a doubt: the server may do as they say or declare the text unknown, and nothing else.
    """
    before = document.text

    def whole(**more: Any) -> Json:
        document.text = text
        return document.change({"text": text, **more})

    def with_version(version: Any) -> Json:
        params = document.change(document.edited(text))
        return {**params, "textDocument": {"uri": document.uri, **version}}

    def to_the_end(line: int, character: int) -> Json:
        offset = document.offset
        start = document.position(offset)
        document.text = before[:offset] + "\n"
        return document.change(
            {"range": {"start": start, "end": {"line": line, "character": character}}, "text": "\n"}
        )

    def near_type(convert: Callable[[int], Any]) -> Json:
        change = document.edited(text)
        for position in change["range"].values():
            position.update({name: convert(value) for name, value in position.items()})
        return document.change(change)

    return [
        lambda: whole(),
        lambda: whole(range=None),
        lambda: whole(range=None, rangeLength=None),
        lambda: whole(rangeLength=HUGE),
        lambda: document.change(document.edited(text) | {"rangeLength": None}),
        lambda: document.change(document.edited(text) | {"rangeLength": HUGE}),
        lambda: document.change(document.edited(text) | {"someExtension": [1]}),
        lambda: with_version({"version": None}),
        lambda: with_version({}),
        lambda: with_version({"version": 0}),
        lambda: with_version({"version": -7}),
        lambda: with_version({"version": HUGE}),
        lambda: to_the_end(HUGE, HUGE),
        lambda: to_the_end(HUGE, 0),
        lambda: document.change(),
        lambda: near_type(float),
        lambda: near_type(str),
        lambda: document.change(document.edited(text), {"text": None}),
        lambda: document.change({"range": None}),
        lambda: {**document.change(), "contentChanges": None},
    ]


def settings(number: int) -> Any:
    """Settings that people try, wrong ones among them; those that would stop completion are not in it."""
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
