"""Tolerant readers of message fields: null, missing, huge, negative or of a similar type.

A field that can be left out or defaulted never raises. A field that its message needs raises `UnreadableError`,
whose text names the field and holds nothing that the client wrote.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lsprotocol import types
from pygls.uris import to_fs_path

MAX_NUMBER = 2**31 - 1
"""Largest number of LSP; it is past the end of every document, as every larger one is."""

_MAX_DIGITS = 20


class UnreadableError(ValueError):
    """A field that its message needs is missing or makes no sense; the text names it."""


def member(raw: Any, name: str) -> Any:
    """Return a member of an object; None if it has none or is no object."""
    return raw.get(name) if isinstance(raw, Mapping) else None


def items(raw: Any) -> Iterator[Any]:
    """Yield the elements of a list; anything else is a list of one, null an empty list."""
    if isinstance(raw, list):
        yield from raw
    elif raw is not None:
        yield raw


def text(raw: Any) -> str | None:
    """Return a string; None for anything else, since a number is not text."""
    return raw if isinstance(raw, str) else None


def whole_number(raw: Any) -> int | None:
    """Return a whole number, written as 3, 3.0 or "3"; None for anything else.

    True and False are not numbers here, although they are in Python. An infinite number is `MAX_NUMBER`.
    """
    if isinstance(raw, bool):
        return None
    if isinstance(raw, str):
        digits = raw.strip()
        sign = digits[:1] == "-"
        plain = digits[sign:]
        if not (plain.isascii() and plain.isdigit()):
            return None
        raw = int(plain[:_MAX_DIGITS]) * (-1 if sign else 1)
    if isinstance(raw, float):
        if math.isinf(raw):
            return MAX_NUMBER if raw > 0 else -MAX_NUMBER
        return int(raw) if raw.is_integer() else None
    return raw if isinstance(raw, int) else None


def flag(raw: Any) -> bool:
    """Return whether a value is set: an empty object is, 0 and "" are not, as in most clients' languages."""
    return raw not in (None, False, 0, "", "false")


def uri(raw: Any) -> str | None:
    """Return a URI; None for what names no document."""
    return raw if isinstance(raw, str) and raw else None


def uri_of(raw: Any, where: str) -> str:
    """Return the URI of `{"uri": …}`.

    Raises:
        UnreadableError: there is none.
    """
    found = uri(member(raw, "uri"))
    if found is None:
        raise UnreadableError(f"{where}.uri must be a string")
    return found


def folder_uri(raw: Any) -> str | None:
    """Return a URI that can be taken apart; None for others."""
    found = uri(raw)
    try:
        if found is not None:
            to_fs_path(found)
    except ValueError:  # a damaged host name
        return None
    return found


def version_of(raw: Any) -> int | None:
    """Return the version of `{"version": …}`; None if the client does not say."""
    return whole_number(member(raw, "version"))


def position(raw: Any, where: str) -> types.Position:
    """Return a position with its numbers in LSP's limits.

    What is past the end stays past it, and a negative number is the beginning, as in clients' own libraries.

    Raises:
        UnreadableError: a number is missing.
    """
    numbers = []
    for name in ("line", "character"):
        found = whole_number(member(raw, name))
        if found is None:
            raise UnreadableError(f"{where}.{name} must be a whole number")
        numbers.append(found)
    line, character = numbers
    if line < 0:
        return types.Position(0, 0)
    return types.Position(min(line, MAX_NUMBER), min(max(character, 0), MAX_NUMBER))


def span(raw: Any, where: str) -> types.Range:
    """Return a range whose start is not after its end; a reversed one is turned, as clients' libraries do.

    Raises:
        UnreadableError: a position is missing.
    """
    start = position(member(raw, "start"), f"{where}.start")
    end = position(member(raw, "end"), f"{where}.end")
    if (end.line, end.character) < (start.line, start.character):
        start, end = end, start
    return types.Range(start, end)


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
    """A notebook that was opened; without a URI its cells are separate documents."""

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
