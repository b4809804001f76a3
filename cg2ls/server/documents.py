"""Open documents, and positions in them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from lsprotocol import types

from cg2ls.errors import Cg2Error
from cg2ls.server.lines import Lines, join_surrogates, split_lines
from cg2ls.server.notebooks import Notebooks
from cg2ls.server.received import Change, DocumentId, DocumentItem, UnreadableChange

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class PositionError(Cg2Error):
    """Error of a position whose line the document does not have."""


class NotOpenError(Cg2Error):
    """Error of a request about a document that the client did not open."""


@dataclass(frozen=True)
class Snapshot:
    """One version of a document, which later edits do not change.

    Attributes:
        uri: URI of the document.
        version: the client's version; None if it sends none.
        language: LSP id of its language, "" if unknown.
        lines: lines with their ends, at least one.
        encoding: code units that columns are counted in.
        before: text of the cells before, if this is a notebook's cell.
        after: text of the cells after it.
        is_known: False where the client's text cannot be known; the lines are then empty, and all positions
            are equal.
    """

    uri: str
    version: int | None
    language: str
    lines: Lines
    encoding: Encoding
    before: str = ""
    after: str = ""
    is_known: bool = True

    @cached_property
    def text(self) -> str:
        r"""Return the whole document with `\n` line ends, and the cells around it."""
        return self.before + self.lines.text + self.after

    def offset(self, position: types.Position) -> int:
        """Return a position's offset in `text`, in code points; a column past the line's end is its end.

        Raises:
            PositionError: there is no such line.
        """
        if not self.is_known:
            return len(self.before)
        if position.line >= len(self.lines):
            raise PositionError(
                f"Line {position.line} is past the end of {self.uri}, whose last line is"
                f" {len(self.lines) - 1}, counted from 0."
            )
        line = self.lines[position.line].rstrip("\r\n")
        return self._start_of(position.line) + index_in(line, position.character, self.encoding)

    def position(self, line: int, offset: int) -> types.Position:
        """Return the position of an offset in `text` that lies on the given line."""
        if not self.is_known:
            return types.Position(line, 0)
        column = offset - self._start_of(line)
        return types.Position(line, units(self.lines[line][:column], self.encoding))

    def _start_of(self, line: int) -> int:
        if line not in self._starts:
            self._starts[line] = len(self.before) + self.lines.start_of(line)
        return self._starts[line]

    @cached_property
    def _starts(self) -> dict[int, int]:
        """Return offsets of lines that were looked up: a request looks up one line again and again."""
        return {}


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


Encoding = Literal["utf-8", "utf-16", "utf-32"]


def units(text: str, encoding: Encoding) -> int:
    """Return the length of a text in code units."""
    if encoding == "utf-32" or text.isascii():
        return len(text)
    if encoding == "utf-8":
        return len(text.encode("utf-8", errors="surrogatepass"))
    return len(text) + sum(char > "\uffff" for char in text)


def index_in(line: str, character: int, encoding: Encoding) -> int:
    """Return the index of the character at a column; columns past the line's end are its end.

    A column inside a character is the character's beginning.

    Args:
        line: the line without its line end.
        character: the column, in code units.
        encoding: kind of code units.
    """
    if encoding == "utf-32" or line.isascii():
        return min(character, len(line))
    passed = 0
    for index, char in enumerate(line):
        passed += units(char, encoding)
        if passed > character:
            return index
    return len(line)
