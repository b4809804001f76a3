"""Keeping the open documents as the client has them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from lsprotocol import types

from cg2ls.server.documents import NotOpenError

if TYPE_CHECKING:
    from cg2ls.server.server import Server

log = logging.getLogger(__name__)


def register(server: Server) -> None:
    """Registers the handlers of open, change and close."""

    def opened(params: types.DidOpenTextDocumentParams) -> None:
        server.documents.open(params.text_document)
        server.model_of(params.text_document.language_id, params.text_document.uri)
        server.board.look_at(params.text_document.uri)

    def changed(params: types.DidChangeTextDocumentParams) -> None:
        try:
            server.documents.change(params.text_document, params.content_changes)
        except NotOpenError as wrong:
            log.warning("%s", wrong)

    def closed(params: types.DidCloseTextDocumentParams) -> None:
        uri = params.text_document.uri
        server.scheduler.supersede(uri)
        server.documents.close(uri)
        server.sessions.pop(uri, None)
        if server.board.uri == uri:
            server.board.look_at("")

    server.feature(types.TEXT_DOCUMENT_DID_OPEN)(opened)
    server.feature(types.TEXT_DOCUMENT_DID_CHANGE)(changed)
    server.feature(types.TEXT_DOCUMENT_DID_CLOSE)(closed)
