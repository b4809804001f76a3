"""Keeping the open notebooks as the client has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lsprotocol import types

from cg2ls.server.sync import changed, closed, opened

if TYPE_CHECKING:
    from cg2ls.server.server import Server

SYNC = types.NotebookDocumentSyncOptions(
    notebook_selector=[types.NotebookDocumentFilterWithNotebook(notebook="*")], save=False
)
"""All notebooks, with all their cells."""


def register(server: Server) -> None:
    """Registers the handlers of open, change and close."""

    def did_open(params: types.DidOpenNotebookDocumentParams) -> None:
        for item in params.cell_text_documents:
            opened(server, item)
        server.documents.notebooks.open(params.notebook_document.uri, params.notebook_document.cells)

    def did_change(params: types.DidChangeNotebookDocumentParams) -> None:
        cells = params.change.cells
        if cells is None:
            return
        if cells.structure is not None:
            array = cells.structure.array
            for item in cells.structure.did_open or ():
                opened(server, item)
            uri = params.notebook_document.uri
            server.documents.notebooks.splice(uri, array.start, array.delete_count, array.cells or ())
            for gone in cells.structure.did_close or ():
                closed(server, gone.uri)
        for edit in cells.text_content or ():
            changed(server, edit.document, edit.changes)

    def did_close(params: types.DidCloseNotebookDocumentParams) -> None:
        cells = server.documents.notebooks.close(params.notebook_document.uri)
        for uri in {*cells, *(cell.uri for cell in params.cell_text_documents)}:
            closed(server, uri)

    server.feature(types.NOTEBOOK_DOCUMENT_DID_OPEN)(did_open)
    server.feature(types.NOTEBOOK_DOCUMENT_DID_CHANGE)(did_change)
    server.feature(types.NOTEBOOK_DOCUMENT_DID_CLOSE)(did_close)
