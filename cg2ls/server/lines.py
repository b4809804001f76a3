r"""A document's lines as LSP counts them, kept so that neither an edit nor a key costs more in a longer file.

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
