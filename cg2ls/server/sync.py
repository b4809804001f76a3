"""Keeping the open documents as the client has them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lsprotocol import types

from cg2ls.server.documents import NotOpenError

if TYPE_CHECKING:
    from cg2ls.server.server import Server

log = logging.getLogger(__name__)


def register(server: Server) -> None:
    """Registers the handlers of open, change and close."""

    def did_open(params: types.DidOpenTextDocumentParams) -> None:
        opened(server, params.text_document)

    def did_change(params: types.DidChangeTextDocumentParams) -> None:
        changed(server, params.text_document, params.content_changes)

    def did_close(params: types.DidCloseTextDocumentParams) -> None:
        closed(server, params.text_document.uri)

    server.feature(types.TEXT_DOCUMENT_DID_OPEN)(did_open)
    server.feature(types.TEXT_DOCUMENT_DID_CHANGE)(did_change)
    server.feature(types.TEXT_DOCUMENT_DID_CLOSE)(did_close)


def opened(server: Server, item: types.TextDocumentItem) -> None:
    """A document or a notebook's cell was opened."""
    server.documents.open(item)
    server.failures.forget(item.uri)
    server.usage.forget(item.uri)
    server.sessions.pop(item.uri, None)
    if server.options_of(item.uri, item.language_id).enable:
        server.model_of(item.language_id, item.uri)
    server.memories.prepare()
    server.board.look_at(item.uri)


def changed(
    server: Server,
    identifier: types.VersionedTextDocumentIdentifier,
    changes: Sequence[types.TextDocumentContentChangeEvent],
) -> None:
    """A document or a cell was edited; one that is not open is left alone."""
    server.scheduler.interrupt()
    try:
        document = server.documents.change(identifier, changes)
    except NotOpenError as wrong:
        log.warning("%s", wrong)
    else:
        server.failures.edited(document.uri)
        server.usage.edited(document, changes)


def closed(server: Server, uri: str) -> None:
    """A document or a cell was closed."""
    server.scheduler.supersede(uri)
    server.documents.close(uri)
    server.surroundings.closed(uri)
    server.failures.forget(uri)
    server.usage.forget(uri)
    server.sessions.pop(uri, None)
    if server.board.uri == uri:
        server.board.look_at("")
