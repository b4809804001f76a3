"""The client's messages about documents; parts of them may be unknown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lsprotocol import types


@dataclass(frozen=True)
class DocumentItem:
    """A document that was opened.

    Attributes:
        uri: URI of the document.
        language_id: the client's, else that of the file's extension; "" if both are unknown.
        version: None if the client sent none.
        text: None if the client sent none that can be read.
    """

    uri: str
    language_id: str
    version: int | None
    text: str | None


@dataclass(frozen=True)
class DocumentId:
    """The document that a message is about.

    Attributes:
        uri: URI of the document.
        version: None if the client sent none.
    """

    uri: str
    version: int | None = None


@dataclass(frozen=True)
class UnreadableChange:
    """A change of the text that cannot be read.

    Attributes:
        reason: the unreadable field and what is wrong with it, without any of the text.
    """

    reason: str


Change = types.TextDocumentContentChangeEvent | UnreadableChange


@dataclass(frozen=True)
class DocumentChange:
    """One notification's changes of a document, in their order."""

    document: DocumentId
    changes: Sequence[Change]


@dataclass(frozen=True)
class NotebookOpened:
    """A notebook that was opened; without a URI its cells are documents of their own."""

    uri: str | None
    cells: Sequence[types.NotebookCell]
    documents: Sequence[DocumentItem]


@dataclass(frozen=True)
class Splice:
    """Cells that replace others in a notebook."""

    start: int
    delete_count: int
    cells: Sequence[types.NotebookCell]


@dataclass(frozen=True)
class NotebookChange:
    """What happened to a notebook's cells.

    Attributes:
        uri: URI of the notebook, None if the client sent none.
        splice: change of the cells' order, None if it stays.
        is_order_known: False if the order changed in a way that cannot be read.
        opened: cells that are new.
        closed: URIs of the cells that are gone.
        edits: changes of the cells' texts.
        are_texts_known: False if any cell may have changed in a way that cannot be read.
    """

    uri: str | None
    splice: Splice | None = None
    is_order_known: bool = True
    opened: Sequence[DocumentItem] = ()
    closed: Sequence[str] = ()
    edits: Sequence[DocumentChange] = ()
    are_texts_known: bool = True


@dataclass(frozen=True)
class NotebookClosed:
    """A notebook that was closed, and the URIs of the cells that the client names."""

    uri: str | None
    cells: Sequence[str]


@dataclass(frozen=True)
class FoldersChanged:
    """Workspace folders that were added and removed."""

    added: Sequence[str]
    removed: Sequence[str]
