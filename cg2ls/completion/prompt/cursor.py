"""A document as seen from the cursor, and the part of it that the model reads.

The window's start and its suffix stay the same while the user types. If they move, the engine must read text again that
it had in its cache.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

CLOSERS_PATTERN = re.compile(r"""[\s)\]}"'`,;:]*""")
"""Closers that editors insert after the cursor, and the punctuation that ends a line after them."""


_SURROGATE = re.compile("[\ud800-\udfff]")

MAX_LINE_CHARS = 4096
"""Maximum number of characters of the cursor's line before and after the cursor; the rest is cut off."""

NEAR_CHARS = 4096
"""Characters above and below the cursor's line that are searched for lines that are not blank."""


@dataclass(frozen=True)
class Cursor:
    r"""A text and an offset in it. Line ends are `\n` only.

    Properties return at most `MAX_LINE_CHARS` of the line before and after the cursor. So the work does not grow with
    the length of the line.

    Attributes:
        text: the whole document.
        offset: offset of the cursor, in code points.
    """

    text: str
    offset: int

    @classmethod
    def at(cls, text: str, offset: int) -> Cursor:
        r"""Return the cursor in a document with any line ends; `\r\n` and `\r` become `\n`.

        Lone surrogates, which an editor may send but no encoding accepts, become U+FFFD.

        Args:
            text: the document as the editor has it.
            offset: of the cursor in it, in code points; between `\r` and `\n` it counts as before both.
        """
        if not text.isascii() and _has_surrogate(text):
            text = _SURROGATE.sub("\ufffd", text)
        if "\r" not in text:
            return cls(text, offset)
        before, after = text[:offset], text[offset:]
        if before.endswith("\r") and after.startswith("\n"):
            before = before[:-1]
        before = before.replace("\r\n", "\n").replace("\r", "\n")
        return cls(before + after.replace("\r\n", "\n").replace("\r", "\n"), len(before))

    @cached_property
    def line_start(self) -> int:
        """Offset of the first character of the cursor's line, or of its part that is kept."""
        min_offset = max(0, self.offset - MAX_LINE_CHARS)
        found = self.text.rfind("\n", min_offset, self.offset)
        return min_offset if found < 0 else found + 1

    @cached_property
    def line_end(self) -> int:
        """Offset after the last kept character of the cursor's line, without the line end."""
        max_offset = min(len(self.text), self.offset + MAX_LINE_CHARS)
        end = self.text.find("\n", self.offset, max_offset)
        return max_offset if end < 0 else end

    @property
    def is_cut_before(self) -> bool:
        """Whether the beginning of the line is cut off."""
        return self.line_start > 0 and self.text[self.line_start - 1] != "\n"

    @property
    def is_cut_after(self) -> bool:
        """Whether the end of the line is cut off."""
        return self.line_end < len(self.text) and self.text[self.line_end] != "\n"

    @property
    def is_cut(self) -> bool:
        """Whether a part of the line is cut off."""
        return self.is_cut_before or self.is_cut_after

    @property
    def line_before(self) -> str:
        """Text of the cursor's line before the cursor."""
        return self.text[self.line_start : self.offset]

    @property
    def line_after(self) -> str:
        """Text of the cursor's line after the cursor, without the line end."""
        return self.text[self.offset : self.line_end]

    @cached_property
    def is_mid_line(self) -> bool:
        """Whether anything but closers and blanks follows the cursor on its line."""
        return self.is_cut_after or CLOSERS_PATTERN.fullmatch(self.line_after) is None

    @cached_property
    def following_line(self) -> str:
        """The next line that is not blank; "" if there is none near."""
        if self.is_cut_after:
            return ""
        start = self.line_end + 1
        below = self.text[start : start + NEAR_CHARS]
        written = below.lstrip()
        if not written:
            return ""
        begin = start + below.rfind("\n", 0, len(below) - len(written)) + 1
        end = self.text.find("\n", begin, begin + MAX_LINE_CHARS)
        return self.text[begin : begin + MAX_LINE_CHARS if end < 0 else end].rstrip()

    @cached_property
    def written_above(self) -> tuple[str, ...]:
        """The lines above that are near and not blank, without trailing blanks; the last one is the nearest."""
        if self.is_cut_before:
            return ()
        start = max(0, self.line_start - NEAR_CHARS)
        lines = self.text[start : self.line_start].split("\n")
        if start and self.text[start - 1] != "\n":
            del lines[0]
        return tuple(line.rstrip() for line in lines if line.strip())

    @property
    def suffix_start(self) -> int:
        """Offset of the suffix: the next line, or the cursor if code follows on its line.

        Editors insert closers after the cursor and remove them again. A suffix that begins after them stays the
        same, and so does the prompt.
        """
        return self.offset if self.is_mid_line else min(self.line_end + 1, len(self.text))


def _has_surrogate(text: str) -> bool:
    """Return whether a text has a lone surrogate. Encoding finds it 20 times faster than a pattern does."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False


PlaceKind = Literal["line_start", "word_start", "in_word", "after_open"]
"""After the indentation at most; at the start of a later word; inside a word; after a bracket or quote that opens."""

PLACE_KINDS: tuple[PlaceKind, ...] = ("line_start", "word_start", "in_word", "after_open")

OPENERS = "([{"
QUOTES = "\"'`"


def find_place_kind(cursor: Cursor) -> PlaceKind:
    """Return the kind of place that a cursor is at.

    A quote opens if its number on the line up to the cursor is odd.
    """
    before = cursor.line_before
    if not before.strip():
        return "line_start"
    last = before[-1]
    if last.isalnum() or last == "_":
        return "in_word"
    if last in OPENERS or (last in QUOTES and before.count(last) % 2):
        return "after_open"
    return "word_start"


Encode = Callable[[str], list[int]]

STEP_LINES = 32
"""The window's start moves by this number of lines, unless lines are too long for that."""

FINER_STEPS_LINES = (8, 1)
"""Steps for long lines; with the step above, most of the window would stay empty."""

FILL_SHARE = 0.75
"""Share of the available tokens that a newly chosen window takes, so that it does not have to move soon."""

MIN_FILL_SHARE = 0.375
"""A window that takes a smaller share of the tokens is chosen again, or with a finer step."""

MAX_SUFFIX_LINES = 64

CHARS_PER_TOKEN = 8
"""More than the average of any tokenizer on code; it limits how much text is tokenized."""


def cut_suffix(cursor: Cursor, max_tokens: int) -> str:
    """Return the text after the cursor, in whole lines; "" if only blanks follow.

    Args:
        cursor: place to complete at.
        max_tokens: number of tokens available for the text.
    """
    start = cursor.suffix_start
    text = cursor.text[start : start + max_tokens * CHARS_PER_TOKEN]
    is_cut = start + len(text) < len(cursor.text)
    lines = text.split("\n")
    if len(lines) > MAX_SUFFIX_LINES:
        text = "\n".join(lines[:MAX_SUFFIX_LINES]) + "\n"
    elif is_cut and len(lines) > 1:
        text = "\n".join(lines[:-1]) + "\n"
    return text if text.strip() else ""


def may_keep_start(text: str, start: int, end: int, max_tokens: int) -> bool:
    """Return whether a window from `start` may still reach to `end`, before its tokens are counted."""
    return start <= end <= start + max_tokens * CHARS_PER_TOKEN and (start == 0 or text[start - 1] == "\n")


def choose_start(text: str, end: int, max_tokens: int, encode: Encode) -> int:
    """Choose the start of a window over the text that ends at `end`.

    The start is the earliest line on a grid of `STEP_LINES` with which the window takes at most `FILL_SHARE` of the
    tokens. If lines are too long for this grid, a finer one is used. A line too long for the window is cut.

    Args:
        text: the whole document.
        end: end of the window, at the start of a line or inside one.
        max_tokens: number of tokens available.
        encode: the tokenizer.

    Returns:
        An offset, 0 if the whole text before `end` fits.
    """
    target = int(max_tokens * FILL_SHARE)
    starts = _line_starts(text, end, target, encode)
    if starts and starts[-1][0] == 0:
        return 0
    first_line = text.count("\n", 0, starts[0][0]) if starts else 0
    for step in (STEP_LINES, *FINER_STEPS_LINES):
        on_grid = [entry for back, entry in enumerate(starts) if (first_line - back) % step == 0]
        if on_grid and (on_grid[-1][1] >= max_tokens * MIN_FILL_SHARE or step == 1):
            return on_grid[-1][0]
    return max(0, end - target)


def _line_starts(text: str, end: int, max_tokens: int, encode: Encode) -> Sequence[tuple[int, int]]:
    """Return line starts backwards from `end`, each with the number of tokens from there to `end`."""
    found: list[tuple[int, int]] = []
    tokens, line_end = 0, end
    while line_end > 0 or not found:
        start = text.rfind("\n", 0, max(line_end - 1, 0)) + 1
        if line_end - start > max_tokens * CHARS_PER_TOKEN:
            break
        tokens += len(encode(text[start:line_end]))
        if tokens > max_tokens:
            break
        found.append((start, tokens))
        line_end = start
    return found


STRUCTURE_TOKENS = 4
"""Special tokens of an infill prompt: two masks, the end of the text, `<sep>`."""

HEALING_TOKENS = 8
"""Tokens that an answer may spend on the bytes it is forced to begin with."""


@dataclass(frozen=True, kw_only=True)
class Budget:
    """Numbers of tokens of one context, by purpose.

    Attributes:
        answer: tokens to generate, including those of healing.
        known: from the anchor to the cursor; 0 keeps the anchor at the cursor.
        suffix: after the cursor.
        text: before the anchor and after the cursor together.
        context: of other files, before the document's own text.
    """

    answer: int
    known: int
    suffix: int
    text: int
    context: int = 0

    @classmethod
    def share(
        cls, context_length: int, *, answer_tokens: int, anchor_max_tokens: int, context_tokens: int = 0
    ) -> Budget:
        """Share a context; the suffix and other files get at most a quarter each, the answer at most half.

        The budget uses the longest answer that the options allow, not the one requested at this cursor. Otherwise
        the window would move when a line's completion follows a block's.

        Args:
            context_length: maximum number of tokens of prompt and answer together.
            answer_tokens: maximum number of tokens to generate, without those of healing.
            anchor_max_tokens: limit of the model's description for the tokens from the anchor to the cursor.
            context_tokens: wanted for other files.
        """
        answer = min(answer_tokens + HEALING_TOKENS, context_length // 2)
        rest = context_length - 1 - answer - STRUCTURE_TOKENS
        known = min(anchor_max_tokens, rest // 4)
        context = min(context_tokens, rest // 4)
        return cls(answer=answer, known=known, suffix=rest // 4, text=rest - known - context, context=context)
