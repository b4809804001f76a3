"""Notebooks: each cell is a document, and the cells around it are part of what the model reads."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from lsprotocol import types

HASH_COMMENTS = frozenset({"julia", "perl", "python", "r", "ruby", "shellscript"})
"""LSP ids of languages in which `#` begins a comment; cells of prose are read as comments there."""

_MAGIC = re.compile(r"^[%!][^\n]*\n?", re.MULTILINE)
"""Lines for the notebook and not for the language, such as `%matplotlib inline` and `!pip install`."""


@dataclass(frozen=True)
class Cell:
    """One cell: the URI of its text, and whether it is code or prose."""

    uri: str
    is_code: bool


class Notebooks:
    """The open notebooks' cells, in their order.

    Args:
        text_of: returns language and text of an open cell; None if it is not open.
    """

    def __init__(self, text_of: Callable[[str], tuple[str, str] | None]) -> None:
        self._text_of = text_of
        self._cells: dict[str, list[Cell]] = {}
        self._notebook_of: dict[str, str] = {}
        self._unordered: set[str] = set()

    def open(self, uri: str, cells: Iterable[types.NotebookCell]) -> None:
        """Add a notebook; replace it if it is open."""
        self.close(uri)
        self._cells[uri] = []
        self.splice(uri, 0, 0, cells)

    def splice(self, uri: str, start: int, deleted: int, cells: Iterable[types.NotebookCell]) -> None:
        """Replace cells; places past the end are the end, and a notebook that is not open is ignored."""
        if uri not in self._cells:
            return
        new = [Cell(cell.document, cell.kind is types.NotebookCellKind.Code) for cell in cells]
        order = self._cells[uri]
        if uri in self._unordered:
            order += new
            return
        for cell in order[start : start + deleted]:
            self._notebook_of.pop(cell.uri, None)
        order[start : start + deleted] = new
        self._notebook_of |= {cell.uri: uri for cell in new}

    def forget_order(self, uri: str) -> None:
        """Separate a notebook's cells, since their order is unknown until it is opened again."""
        for cell in self._cells.get(uri, ()):
            self._notebook_of.pop(cell.uri, None)
        self._unordered.add(uri)

    def cells_of(self, uri: str) -> Sequence[str]:
        """Return the URIs of a notebook's cells in their order; none if it is not open."""
        return [cell.uri for cell in self._cells.get(uri, ())]

    def close(self, uri: str) -> Sequence[str]:
        """Forget a notebook; return the URIs of its cells."""
        self._unordered.discard(uri)
        gone = [cell.uri for cell in self._cells.pop(uri, [])]
        for cell in gone:
            self._notebook_of.pop(cell, None)
        return gone

    def around(self, uri: str, language: str) -> tuple[str, str]:
        """Return the text before and after a cell, in its language; "" for a document that is no cell."""
        notebook = self._notebook_of.get(uri)
        if notebook is None:
            return "", ""
        cells = self._cells[notebook]
        at = next(index for index, cell in enumerate(cells) if cell.uri == uri)
        before = "".join(map(self._line_ended, self._texts(cells[:at], language)))
        after = "".join("\n" + text.rstrip("\r\n") for text in self._texts(cells[at + 1 :], language))
        return before, after

    def _texts(self, cells: Sequence[Cell], language: str) -> Iterable[str]:
        for cell in cells:
            found = self._text_of(cell.uri)
            if found is None:
                continue
            its_language, text = found
            if cell.is_code and its_language == language and not text.startswith("%%"):
                yield _MAGIC.sub("", text)
            elif not cell.is_code and language in HASH_COMMENTS and text.strip():
                yield "".join(f"# {line}\n" for line in text.splitlines())

    @staticmethod
    def _line_ended(text: str) -> str:
        return text if not text or text.endswith(("\n", "\r")) else text + "\n"
