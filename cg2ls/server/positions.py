"""Characters of a line as clients count them: UTF-8 or UTF-16 code units, or code points."""

from __future__ import annotations

from typing import Literal

Encoding = Literal["utf-8", "utf-16", "utf-32"]


def units(text: str, encoding: Encoding) -> int:
    """Length of a text in code units."""
    if encoding == "utf-32" or text.isascii():
        return len(text)
    if encoding == "utf-8":
        return len(text.encode("utf-8", errors="surrogatepass"))
    return len(text) + sum(char > "\uffff" for char in text)


def index_in(line: str, character: int, encoding: Encoding) -> int:
    """Index of the character at a column; columns past the line's end are its end.

    A column inside a character is the character's beginning.

    Args:
        line: without its line end.
        character: the column, in code units.
        encoding: what the code units are.
    """
    if encoding == "utf-32" or line.isascii():
        return min(character, len(line))
    passed = 0
    for index, char in enumerate(line):
        passed += units(char, encoding)
        if passed > character:
            return index
    return len(line)
