"""Keep the open documents and notebooks equal to the client's."""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lsprotocol import types

from cg2ls.server.documents import NotOpenError
from cg2ls.server.fields import UnreadableChange

if TYPE_CHECKING:
    from cg2ls.server.client import Feature, LanguageClient
    from cg2ls.server.completer import Completer
    from cg2ls.server.documents import Documents
    from cg2ls.server.failures import Failures
    from cg2ls.server.fields import (
        DocumentChange,
        DocumentId,
        DocumentItem,
        NotebookChange,
        NotebookClosed,
        NotebookOpened,
    )
    from cg2ls.server.models import ModelLoader
    from cg2ls.server.prompt_context import PromptContextProvider
    from cg2ls.server.reading_ahead import ReadingAhead
    from cg2ls.server.repository_memory import RepositoryMemory
    from cg2ls.server.settings import Settings
    from cg2ls.server.status import StatusBoard
    from cg2ls.server.usage import Usage

log = logging.getLogger(__name__)

DOCUMENTS = "cg2ls/documents"
"""A request for finding faults: the server's state of every open document."""

NOTEBOOKS = types.NotebookDocumentSyncOptions(
    notebook_selector=[types.NotebookDocumentFilterWithNotebook(notebook="*")], save=False
)
"""Capability: all notebooks, with all their cells."""


@dataclass(eq=False, kw_only=True)
class DocumentSync:
    """The open documents, kept equal to the client's, and notification of the services that depend on them.

    Attributes:
        client: is notified of documents whose text is unknown.
        documents: the open documents.
        settings: which options are in force.
        models: opened for the documents' languages.
        completer: completes documents.
        reading_ahead: reads the text around the cursor before a request.
        memory: reads the documents' workspaces.
        prompt_context: reads other files for the prompt.
        failures: of each document.
        usage: completions shown in each document.
        board: shows the status of a document.
    """

    client: LanguageClient
    documents: Documents
    settings: Settings
    models: ModelLoader
    completer: Completer
    reading_ahead: ReadingAhead
    memory: RepositoryMemory
    prompt_context: PromptContextProvider
    failures: Failures
    usage: Usage
    board: StatusBoard

    def opened(self, item: DocumentItem) -> None:
        """Add a document or a notebook's cell."""
        document = self.documents.open(item)
        self.failures.forget(item.uri)
        self.usage.forget(item.uri)
        self.completer.sessions.pop(item.uri, None)
        if not document.is_known:
            self._report_unknown(item.uri, "it was opened without a text")
        if self.settings.of(item.uri, item.language_id).enable:
            self.models.model_of(item.language_id, item.uri)
        self.memory.prepare()
        self.board.look_at(item.uri)
        self.reading_ahead.opened(item.uri)

    def changed(self, change: DocumentChange) -> None:
        """Apply the edits of a document or a cell; ignore one that is not open."""
        self.completer.scheduler.interrupt()
        uri = change.document.uri
        was_known = self.documents.is_known(uri)
        try:
            document = self.documents.change(change.document, change.changes)
        except NotOpenError as error:
            log.warning("%s", error)
            return
        unreadable = [each for each in change.changes if isinstance(each, UnreadableChange)]
        if unreadable:
            self.usage.forget(uri)
        else:
            readable = [each for each in change.changes if not isinstance(each, UnreadableChange)]
            self.failures.edited(document.uri)
            self.usage.edited(document, readable)
            self.reading_ahead.edited(document.uri, readable)
        if was_known and not document.is_known:
            self._report_unknown(uri, unreadable[-1].reason)
        if was_known != document.is_known:
            self.board.changed()

    def closed(self, uri: str) -> None:
        """Forget a document or a cell."""
        self.completer.scheduler.supersede(uri)
        self.reading_ahead.closed(uri)
        self.documents.close(uri)
        self.prompt_context.closed(uri)
        self.failures.forget(uri)
        self.usage.forget(uri)
        self.completer.sessions.pop(uri, None)
        if self.board.uri == uri:
            self.board.look_at("")

    def notebook_opened(self, notebook: NotebookOpened) -> None:
        """Add a notebook and its cells."""
        for item in notebook.documents:
            self.opened(item)
        if notebook.uri is not None:
            self.documents.notebooks.open(notebook.uri, notebook.cells)

    def notebook_changed(self, change: NotebookChange) -> None:
        """Apply what happened to a notebook's cells."""
        for item in change.opened:
            self.opened(item)
        if change.uri is not None:
            self._follow_order(change.uri, change)
        for uri in change.closed:
            self.closed(uri)
        for edit in change.edits:
            self.changed(edit)

    def _follow_order(self, uri: str, change: NotebookChange) -> None:
        """Put cells where the client has them; if that is unknown, each cell is read alone from now on."""
        notebooks = self.documents.notebooks
        if not change.is_order_known:
            notebooks.forget_order(uri)
        elif change.splice is not None:
            notebooks.splice(uri, change.splice.start, change.splice.delete_count, change.splice.cells)
        if not change.are_texts_known:
            for cell in notebooks.cells_of(uri):
                self._lose_text(cell, "a change of its notebook could not be read")

    def notebook_closed(self, notebook: NotebookClosed) -> None:
        """Forget a notebook and its cells."""
        cells = self.documents.notebooks.close(notebook.uri) if notebook.uri is not None else ()
        for uri in {*cells, *notebook.cells}:
            self.closed(uri)

    def message_lost(self, body: bytes) -> None:
        """Handle a message that could not be read; it may have changed the documents that it names."""
        plain = body.replace(b"\\/", b"/")
        for document in list(self.documents):
            if (
                json.dumps(document.uri)[1:-1].encode() in plain
                or document.uri.encode("utf-8", "surrogatepass") in plain
            ):
                self._lose_text(document.uri, "a message about it was damaged")

    def _lose_text(self, uri: str, reason: str) -> None:
        """Forget a text that may differ from the client's; ignore a document that is not open."""
        if self.documents.forget_text(uri):
            self.usage.forget(uri)
            self._report_unknown(uri, reason)
            self.board.changed()

    def _report_unknown(self, uri: str, reason: str) -> None:
        message = f"The text of {uri} is unknown until it is sent whole or opened again: {reason}."
        log.warning("%s", message)
        self.client.log(types.MessageType.Warning, message)

    def describe_all(self) -> list[dict[str, Any]]:
        """Return the server's state of each open document: lengths and hashes, never a text."""
        return [self._describe(document.uri) for document in self.documents]

    def _describe(self, uri: str) -> dict[str, Any]:
        snapshot = self.documents.snapshot(uri)
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


def register(feature: Feature, sync: DocumentSync) -> None:
    """Register the handlers of open, change and close."""

    def did_open(document: DocumentItem) -> None:
        sync.opened(document)

    def did_change(change: DocumentChange) -> None:
        sync.changed(change)

    def did_close(document: DocumentId) -> None:
        sync.closed(document.uri)

    def notebook_did_open(notebook: NotebookOpened) -> None:
        sync.notebook_opened(notebook)

    def notebook_did_change(change: NotebookChange) -> None:
        sync.notebook_changed(change)

    def notebook_did_close(notebook: NotebookClosed) -> None:
        sync.notebook_closed(notebook)

    def documents(_: Any) -> list[dict[str, Any]]:
        return sync.describe_all()

    feature(types.TEXT_DOCUMENT_DID_OPEN)(did_open)
    feature(types.TEXT_DOCUMENT_DID_CHANGE)(did_change)
    feature(types.TEXT_DOCUMENT_DID_CLOSE)(did_close)
    feature(types.NOTEBOOK_DOCUMENT_DID_OPEN)(notebook_did_open)
    feature(types.NOTEBOOK_DOCUMENT_DID_CHANGE)(notebook_did_change)
    feature(types.NOTEBOOK_DOCUMENT_DID_CLOSE)(notebook_did_close)
    feature(DOCUMENTS)(documents)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
