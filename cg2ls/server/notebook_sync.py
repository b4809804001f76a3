"""Keeping the open notebooks as the client has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lsprotocol import types

from cg2ls.server.sync import changed, closed, lose_text, opened

if TYPE_CHECKING:
    from cg2ls.server.app import Server
    from cg2ls.server.received import NotebookChange, NotebookClosed, NotebookOpened

SYNC = types.NotebookDocumentSyncOptions(
    notebook_selector=[types.NotebookDocumentFilterWithNotebook(notebook="*")], save=False
)
"""All notebooks, with all their cells."""


def register(server: Server) -> None:
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
