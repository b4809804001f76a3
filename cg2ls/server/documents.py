"""Open documents and notebooks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lsprotocol import types

from cg2ls.errors import Cg2Error
from cg2ls.server.fields import Change, DocumentId, DocumentItem, UnreadableChange
from cg2ls.server.snapshot import Encoding, Lines, Snapshot, index_in, join_surrogates, split_lines

if TYPE_CHECKING:
    from collections.abc import Iterator


class NotOpenError(Cg2Error):
    """Error of a request about a document that the client did not open."""


class Document:
    """One open document, kept as lines so that an edit touches only the lines it is on.

    Attributes:
        uri: URI of the document.
        version: the client's version; None if it sends none.
        language: LSP id of its language, "" if unknown.
        is_known: whether the text is the client's; if not, it is empty until the client sends all of it.
        edits: number of edits applied; unlike the version it grows with each edit.
    """

    def __init__(self, item: types.TextDocumentItem | DocumentItem, encoding: Encoding) -> None:
        self.uri = item.uri
        self.version: int | None = item.version
        self.language = item.language_id
        self.is_known = item.text is not None
        self.edits = 0
        self._encoding = encoding
        self._lines = Lines.of(item.text or "")

    def snapshot(self, before: str = "", after: str = "") -> Snapshot:
        """Return the document as it is now, between other cells of its notebook."""
        return Snapshot(
            *(
                self.uri,
                self.version,
                self.language,
                self._lines,
                self._encoding,
                before,
                after,
                self.is_known,
            )
        )

    @property
    def text(self) -> str:
        r"""Return the whole document, with `\n` line ends."""
        return self._lines.text

    def text_from(self, position: types.Position, max_chars: int) -> str:
        """Return at most `max_chars` characters from a position on; none past the end."""
        line, column = self._locate(position)
        parts, left = [self._lines[line][column:]], max_chars
        while len(parts[-1]) < left and line + 1 < len(self._lines):
            left -= len(parts[-1])
            line += 1
            parts.append(self._lines[line])
        return "".join(parts)[:max_chars]

    def forget_text(self) -> None:
        """Drop a text that no longer equals the client's."""
        self.is_known = False
        self.edits += 1
        self._lines = Lines.of("")

    def edit(self, change: Change) -> None:
        """Apply one change; a range past the document's end ends with the document.

        After a change that cannot be read the text is unknown until one that brings all of it.
        """
        self.edits += 1
        if isinstance(change, types.TextDocumentContentChangeWholeDocument):
            self._lines, self.is_known = Lines.of(change.text), True
        elif isinstance(change, UnreadableChange):
            self.forget_text()
        elif self.is_known:
            self._replace(change)

    def _replace(self, change: types.TextDocumentContentChangePartial) -> None:
        first, start = self._locate(change.range.start)
        last, end = self._locate(change.range.end)
        if (last, end) < (first, start):
            last, end = first, start
        text = self._lines[first][:start] + change.text + self._lines[last][end:]
        if first > 0 and text.startswith("\n") and self._lines[first - 1].endswith("\r"):
            first -= 1
            text = self._lines[first] + text
        if text.endswith("\r") and self._starts_with_newline(last + 1):
            last += 1
            text += self._lines[last]
        if self._encoding == "utf-16":
            text = join_surrogates(text)
        new = split_lines(text)
        if last + 1 < len(self._lines):
            new.pop()  # the rest of the document is where the empty line would be
        self._lines = self._lines.replaced(first, last + 1, new)

    def _starts_with_newline(self, line: int) -> bool:
        return line < len(self._lines) and self._lines[line].startswith("\n")

    def _locate(self, position: types.Position) -> tuple[int, int]:
        """Return a position's line and index in it; past the end, those of the end."""
        if position.line >= len(self._lines):
            return len(self._lines) - 1, len(self._lines[len(self._lines) - 1])
        line = self._lines[position.line].rstrip("\r\n")
        return position.line, index_in(line, position.character, self._encoding)


class Documents:
    """All open documents by URI."""

    def __init__(self) -> None:
        self.encoding: Encoding = "utf-16"
        self.notebooks = Notebooks(self._cell)
        self._open: dict[str, Document] = {}

    def open(self, item: types.TextDocumentItem | DocumentItem) -> Document:
        """Add a document, or replace it if it is open; return it."""
        document = self._open[item.uri] = Document(item, self.encoding)
        return document

    def change(
        self,
        identifier: types.VersionedTextDocumentIdentifier | DocumentId,
        changes: Sequence[Change],
    ) -> Document:
        """Apply the changes of one notification in their order; return the document.

        Raises:
            NotOpenError: the document is not open.
        """
        document = self._get(identifier.uri)
        for change in changes:
            document.edit(change)
        document.version = identifier.version
        return document

    def __iter__(self) -> Iterator[Document]:
        """Yield the open documents."""
        return iter(self._open.values())

    def is_known(self, uri: str) -> bool:
        """Return whether the server's text of a document equals the client's, as far as the server can tell."""
        return uri not in self._open or self._open[uri].is_known

    def forget_text(self, uri: str) -> bool:
        """Drop a document's text; return whether there was one."""
        document = self._open.get(uri)
        if document is None or not document.is_known:
            return False
        document.forget_text()
        return True

    def language_of(self, uri: str) -> str | None:
        """Return the LSP id of an open document's language; None if it is not open."""
        document = self._open.get(uri)
        return document.language if document else None

    def edits_of(self, uri: str) -> int | None:
        """Return the number of edits of an open document; None if it is not open."""
        document = self._open.get(uri)
        return document.edits if document else None

    def close(self, uri: str) -> None:
        """Forget a document."""
        self._open.pop(uri, None)

    def snapshot(self, uri: str) -> Snapshot:
        """Return a document as it is now.

        Raises:
            NotOpenError: the document is not open.
        """
        document = self._get(uri)
        return document.snapshot(*self.notebooks.around(uri, document.language))

    def _cell(self, uri: str) -> tuple[str, str] | None:
        document = self._open.get(uri)
        return (document.language, document.text) if document and document.is_known else None

    def _get(self, uri: str) -> Document:
        if uri not in self._open:
            raise NotOpenError(f"{uri} is not open; send textDocument/didOpen first.")
        return self._open[uri]


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
        """Replace cells; places after the end count as the end, and a notebook that is not open is ignored."""
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
        """Return the text before and after a cell, in its language; "" for a document that is not a cell."""
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
