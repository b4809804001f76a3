"""Keeping the open documents as the client has them."""

from __future__ import annotations

import hashlib
import json
import logging
from typing import TYPE_CHECKING, Any

from lsprotocol import types

from cg2ls.server.documents import NotOpenError
from cg2ls.server.received import UnreadableChange

if TYPE_CHECKING:
    from cg2ls.server.app import Server
    from cg2ls.server.received import (
        DocumentChange,
        DocumentId,
        DocumentItem,
        NotebookChange,
        NotebookClosed,
        NotebookOpened,
    )

log = logging.getLogger(__name__)

DOCUMENTS = "cg2ls/documents"
"""A request of who looks for a fault: what the server has of every open document."""


def register(server: Server) -> None:
    """Registers the handlers of open, change and close."""

    def did_open(document: DocumentItem) -> None:
        opened(server, document)

    def did_change(change: DocumentChange) -> None:
        changed(server, change)

    def did_close(document: DocumentId) -> None:
        closed(server, document.uri)

    def documents(_: Any) -> list[dict[str, Any]]:
        return [_described(server, document.uri) for document in server.documents]

    server.feature(types.TEXT_DOCUMENT_DID_OPEN)(did_open)
    server.feature(types.TEXT_DOCUMENT_DID_CHANGE)(did_change)
    server.feature(types.TEXT_DOCUMENT_DID_CLOSE)(did_close)
    server.feature(DOCUMENTS)(documents)
    server.protocol.on_unreadable_message = lambda body: _lost(server, body)


def opened(server: Server, item: DocumentItem) -> None:
    """A document or a notebook's cell was opened."""
    document = server.documents.open(item)
    server.failures.forget(item.uri)
    server.usage.forget(item.uri)
    server.sessions.pop(item.uri, None)
    if not document.is_known:
        _tell_unknown(server, item.uri, "it was opened without a text")
    if server.options_of(item.uri, item.language_id).enable:
        server.model_of(item.language_id, item.uri)
    server.memory.prepare()
    server.board.look_at(item.uri)


def changed(server: Server, change: DocumentChange) -> None:
    """A document or a cell was edited; one that is not open is left alone."""
    server.scheduler.interrupt()
    uri = change.document.uri
    was_known = server.documents.is_known(uri)
    try:
        document = server.documents.change(change.document, change.changes)
    except NotOpenError as error:
        log.warning("%s", error)
        return
    unreadable = [each for each in change.changes if isinstance(each, UnreadableChange)]
    if unreadable:
        server.usage.forget(uri)
    else:
        readable = [each for each in change.changes if not isinstance(each, UnreadableChange)]
        server.failures.edited(document.uri)
        server.usage.edited(document, readable)
    if was_known and not document.is_known:
        _tell_unknown(server, uri, unreadable[-1].reason)
    if was_known != document.is_known:
        server.board.changed()


def closed(server: Server, uri: str) -> None:
    """A document or a cell was closed."""
    server.scheduler.supersede(uri)
    server.documents.close(uri)
    server.prompt_context.closed(uri)
    server.failures.forget(uri)
    server.usage.forget(uri)
    server.sessions.pop(uri, None)
    if server.board.uri == uri:
        server.board.look_at("")


def lose_text(server: Server, uri: str, reason: str) -> None:
    """The client's text of a document can no longer be known; one that is not open is left alone."""
    if server.documents.forget_text(uri):
        server.usage.forget(uri)
        _tell_unknown(server, uri, reason)
        server.board.changed()


def _lost(server: Server, body: bytes) -> None:
    """A message could not be read at all; it may have changed the documents that it names."""
    plain = body.replace(b"\\/", b"/")
    for document in list(server.documents):
        if (
            json.dumps(document.uri)[1:-1].encode() in plain
            or document.uri.encode("utf-8", "surrogatepass") in plain
        ):
            lose_text(server, document.uri, "a message about it was damaged")


def _tell_unknown(server: Server, uri: str, reason: str) -> None:
    message = f"The text of {uri} is unknown until it is sent whole or opened again: {reason}."
    log.warning("%s", message)
    server.log_message(types.MessageType.Warning, message)


def _described(server: Server, uri: str) -> dict[str, Any]:
    """What the server has of an open document: lengths and hashes, never a text."""
    snapshot = server.documents.snapshot(uri)
    return {
        "uri": uri,
        "language": snapshot.language,
        "version": snapshot.version,
        "known": snapshot.is_known,
        "characters": len(snapshot.lines.text),
        "sha256": _hash(snapshot.lines.text),
        "before": _hash(snapshot.before),
        "after": _hash(snapshot.after),
    }


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


SYNC = types.NotebookDocumentSyncOptions(
    notebook_selector=[types.NotebookDocumentFilterWithNotebook(notebook="*")], save=False
)
"""All notebooks, with all their cells."""


def register_notebooks(server: Server) -> None:
    """Registers the handlers of open, change and close."""
    notebooks = server.documents.notebooks

    def did_open(notebook: NotebookOpened) -> None:
        for item in notebook.documents:
            opened(server, item)
        if notebook.uri is not None:
            notebooks.open(notebook.uri, notebook.cells)

    def did_change(change: NotebookChange) -> None:
        for item in change.opened:
            opened(server, item)
        if change.uri is not None:
            _follow_order(change.uri, change)
        for uri in change.closed:
            closed(server, uri)
        for edit in change.edits:
            changed(server, edit)

    def _follow_order(uri: str, change: NotebookChange) -> None:
        """Puts cells where the client has them; where that is unknown, each cell stands alone from now on."""
        if not change.is_order_known:
            notebooks.forget_order(uri)
        elif change.splice is not None:
            notebooks.splice(uri, change.splice.start, change.splice.delete_count, change.splice.cells)
        if not change.are_texts_known:
            for cell in notebooks.cells_of(uri):
                lose_text(server, cell, "a change of its notebook could not be read")

    def did_close(notebook: NotebookClosed) -> None:
        cells = notebooks.close(notebook.uri) if notebook.uri is not None else ()
        for uri in {*cells, *notebook.cells}:
            closed(server, uri)

    server.feature(types.NOTEBOOK_DOCUMENT_DID_OPEN)(did_open)
    server.feature(types.NOTEBOOK_DOCUMENT_DID_CHANGE)(did_change)
    server.feature(types.NOTEBOOK_DOCUMENT_DID_CLOSE)(did_close)
