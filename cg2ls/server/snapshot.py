r"""One version of a document: its lines and positions as LSP counts them.

Lines are kept so that neither an edit nor a key costs more in a longer file.

A line ends with `\n`, `\r\n` or `\r` and nothing else: a form feed or U+2028 is a character like others, so
`str.splitlines` will not do.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Literal

from lsprotocol import types

from cg2ls.errors import Cg2Error

BLOCK_LINES = 256
"""Lines of a block; an edit copies one block, a snapshot none."""

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+\Z")

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
"""JSON can carry half a character, which no tokenizer takes; U+FFFD is as long in every encoding."""

_SURROGATE_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")


def join_surrogates(text: str) -> str:
    """Join surrogate pairs into characters, as an editor that counts UTF-16 sees them.

    Two changes may each insert one half.
    """
    if text.isascii():
        return text
    return _SURROGATE_PAIR.sub(
        lambda pair: pair.group().encode("utf-16", "surrogatepass").decode("utf-16"), text
    )


def split_lines(text: str) -> list[str]:
    """Return lines with their ends; the last is "" if the text is empty or ends with a line end."""
    lines = _LINE.findall(text)
    if not lines or lines[-1][-1] in "\r\n":
        lines.append("")
    return lines


@dataclass(frozen=True, eq=False)
class _Block:
    """Lines that never change."""

    lines: Sequence[str]

    @cached_property
    def text(self) -> str:
        return _LONE_SURROGATE.sub("\ufffd", with_newlines("".join(self.lines)))


class Lines:
    """All lines of one version of a document, with their ends; at least one."""

    def __init__(self, blocks: Sequence[_Block]) -> None:
        self._blocks = blocks
        self._ends = list(accumulate(len(block.lines) for block in blocks))

    @classmethod
    def of(cls, text: str) -> Lines:
        """Return the lines of a text."""
        return cls(_blocks(split_lines(text)))

    def __len__(self) -> int:
        return self._ends[-1]

    def __iter__(self) -> Iterator[str]:
        for block in self._blocks:
            yield from block.lines

    def __getitem__(self, line: int) -> str:
        """Return a line, counted from 0."""
        number, within = self._locate(line)
        return self._blocks[number].lines[within]

    def replaced(self, first: int, last: int, new: Sequence[str]) -> Lines:
        """Return lines in which `new` replaces those from `first` up to but not including `last`."""
        begin, before = self._locate(first)
        end, kept = self._locate(last - 1)
        lines = [*self._blocks[begin].lines[:before], *new, *self._blocks[end].lines[kept + 1 :]]
        return Lines([*self._blocks[:begin], *_blocks(lines), *self._blocks[end + 1 :]])

    def start_of(self, line: int) -> int:
        r"""Return the offset of a line in `text`."""
        number, within = self._locate(line)
        block = self._blocks[number]
        return sum(len(each.text) for each in self._blocks[:number]) + len(
            with_newlines("".join(block.lines[:within]))
        )

    @cached_property
    def text(self) -> str:
        r"""Return the whole text, with `\n` line ends."""
        return "".join([block.text for block in self._blocks])

    def _locate(self, line: int) -> tuple[int, int]:
        """Return the number of the block that holds a line, and the line's index in it."""
        number = bisect_right(self._ends, line)
        return number, line - (self._ends[number - 1] if number else 0)


def _blocks(lines: Sequence[str]) -> list[_Block]:
    """Group lines into blocks; up to twice the usual number stay together, so that edits seldom split."""
    if len(lines) <= 2 * BLOCK_LINES:
        return [_Block(lines)] if lines else []
    return [_Block(lines[start : start + BLOCK_LINES]) for start in range(0, len(lines), BLOCK_LINES)]


def with_newlines(text: str) -> str:
    r"""Return a text with `\n` in place of other line ends."""
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


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


class PositionError(Cg2Error):
    """Error of a position whose line the document does not have."""


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


@dataclass(frozen=True)
class CompletionPlace:
    """Place of a completion request.

    Attributes:
        snapshot: the document at the time of the request.
        position: position of the cursor; a column past the line's end is moved back to it.
        offset: the same in the document's text.
        selected: the entry selected in the client's menu; the completion continues as if the document contained it.
    """

    snapshot: Snapshot
    position: types.Position
    offset: int
    selected: types.SelectedCompletionInfo | None = None

    def text_and_offset(self) -> tuple[str, int]:
        """Return the text to complete and the offset to complete it at."""
        text = self.snapshot.text
        if self.selected is None:
            return text, self.offset
        start = self.snapshot.offset(self.selected.range.start)
        end = max(self.snapshot.offset(self.selected.range.end), start)
        return text[:start] + self.selected.text + text[end:], start + len(self.selected.text)
