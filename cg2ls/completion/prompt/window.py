"""Choose the part of a document that the model reads, and share its context among the parts of a prompt.

The window's start and its suffix stay the same while the user types. If they move, the engine must read text again that
it had in its cache.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cg2ls.completion.prompt.cursor import Cursor


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
