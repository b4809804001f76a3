"""The documents of an editor, computed on whole strings without the server's code."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field

ENDS = re.compile(r"\r\n|\r|\n")


def width(char: str, encoding: str) -> int:
    """Code units of a character."""
    if encoding == "utf-8":
        return len(char.encode("utf-8", "surrogatepass"))
    return 2 if encoding == "utf-16" and ord(char) > 0xFFFF else 1


def offset_of(text: str, line: int, character: int, encoding: str) -> int:
    """Index of a position in a text: past a line's end its end, past the last line the text's end."""
    if line < 0:
        return 0
    start = 0
    for _ in range(line):
        end = ENDS.search(text, start)
        if end is None:
            return len(text)
        start = end.end()
    while start < len(text) and text[start] not in "\r\n" and width(text[start], encoding) <= character:
        character -= width(text[start], encoding)
        start += 1
    return start


def replaced(text: str, start: tuple[int, int], end: tuple[int, int], new: str, encoding: str) -> str:
    """The text after a range of it was replaced."""
    first, last = sorted(offset_of(text, *place, encoding) for place in (start, end))
    joined = text[:first] + new + text[last:]
    if encoding == "utf-16":
        return joined.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    return joined


def plain(text: str) -> str:
    r"""A text as the server's model reads it: `\n` ends the lines, half a character is U+FFFD."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join("\ufffd" if "\ud800" <= char <= "\udfff" else char for char in text)


def hashed(text: str) -> str:
    """The hash of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass
class Editor:
    """Open documents and notebooks.

    Attributes:
        encoding: of positions.
        texts: by URI; None where the sent messages do not determine the text.
        notebooks: URIs of the cells in their order.
        unordered: notebooks whose order the messages do not determine; their cells have no context.
    """

    encoding: str
    texts: dict[str, str | None] = field(default_factory=dict)
    notebooks: dict[str, list[str]] = field(default_factory=dict)
    unordered: set[str] = field(default_factory=set)

    def edit(self, uri: str, start: tuple[int, int], end: tuple[int, int], new: str) -> None:
        """Replaces a range."""
        text = self.texts.get(uri)
        if text is not None:
            self.texts[uri] = replaced(text, start, end, new, self.encoding)

    def write(self, uri: str, text: str | None) -> None:
        """Replaces the whole text of a document that is open."""
        if uri in self.texts:
            self.texts[uri] = text

    def around(self, uri: str) -> tuple[str, str]:
        """The text before and after a cell in its notebook; all cells are Python code."""
        for book, cells in self.notebooks.items():
            if uri in cells and book not in self.unordered:
                at = cells.index(uri)
                known = [cell for cell in cells if self.texts.get(cell) is not None or cell == uri]
                before = [self.read(cell) for cell in cells[:at] if cell in known]
                after = [self.read(cell) for cell in cells[at + 1 :] if cell in known]
                ended = [text if text.endswith("\n") or not text else text + "\n" for text in before]
                return "".join(ended), "".join("\n" + text.rstrip("\n") for text in after)
        return "", ""

    def read(self, uri: str) -> str:
        """A document's text as others read it; an unknown one has none."""
        return plain(self.texts.get(uri) or "")

    def expected(self) -> dict[str, tuple[bool, str, str, str]]:
        """The expected state of the server: by URI whether the text is known, and hashes of it and its context."""
        found = {}
        for uri, text in self.texts.items():
            before, after = self.around(uri)
            found[uri] = (text is not None, hashed(self.read(uri)), hashed(before), hashed(after))
        return found
