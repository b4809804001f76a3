"""The anchor, where the known part of the answer begins, and the token boundary where the prompt ends.

The anchor stays the same while the user types, so that only the typed tokens are new to the engine's cache (EFIM, Guo
et al. 2025, arXiv 2505.21889; see `cg2ls.models.codegen2.special_tokens`). It moves if the cursor jumps, the text
around it changes, or the known part grows longer than the model was trained to continue.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cg2ls.completion.prompt.cursor import (
    CHARS_PER_TOKEN,
    MIN_FILL_SHARE,
    Encode,
    choose_start,
    cut_suffix,
    may_keep_start,
)

if TYPE_CHECKING:
    from cg2ls.completion.prompt.cursor import Budget, Cursor
    from cg2ls.models.codegen2.tokenizer import CodeTokenizer


MAX_FORCED_CHARS = 24
"""Characters at the end of the known text that may be generated again; longer pieces are not healed."""

_PIECE = re.compile(r"(?:(?<=\S) )?(?:[^\W\d_]+|\d+|(?:[^\w\s]|_)+)\Z|(?<=\S) \Z")
"""The last piece of GPT-2's pre-tokenizer (Radford et al. 2019), or the single blank that begins the next.

Runs of blanks and line ends are separate tokens in CodeGen2's vocabulary and need no healing.
"""


_UNSPLIT = re.compile(r" ?(?:[^\W\d_]+|(?:[^\w\s]|_)+)\Z|[ \t]\Z")
"""The last piece where the tokenizer does not split text into pieces, as SentencePiece (Llama 2): a word takes the last
blank before it, even of a run. Its digits are tokens of their own."""

_PROBES = ("a", "(", "1")
"""Characters that may follow. A place where all of them leave the pieces before it alone is a token boundary."""


@dataclass(frozen=True)
class Healed:
    """Known text, split at a token boundary.

    Attributes:
        kept: the end of the prompt.
        forced: the text that the answer must begin with.
    """

    kept: str
    forced: str


Healer = Callable[[str], Healed]
"""Splits the text from the anchor to the cursor at a token boundary."""


def heal(known: str) -> Healed:
    """Split off the last piece of a text, so that the prompt ends at a token boundary and any token can follow.

    A prompt must not end inside a word, or with the blank of the next word: the model never saw such tokens there. The
    text is cut at the last boundary that every tokenizer of the GPT-2 kind keeps. The answer must begin with the bytes
    after it (guidance, "token healing", Lundberg 2023).

    Args:
        known: text from the anchor to the cursor.
    """
    return _cut_last(known, _PIECE)


def find_healer(tokenizer: CodeTokenizer) -> Healer:
    """Return the function that splits text at the boundaries of a tokenizer.

    Args:
        tokenizer: of the model. Vocabularies with CodeGen2's masks have GPT-2's pieces and blanks of their own; others
            are asked where they split text.
    """
    if tokenizer.special.n_masks:
        return heal

    def heal_open(known: str) -> Healed:
        tail = known[-MAX_FORCED_CHARS - 2 :]
        boundaries = set(range(len(tail) + 1))
        for probe in _PROBES:
            pieces = tokenizer.split_pieces(tail + probe)
            if pieces is None or (len(pieces) == 1 and " " in tail.strip()):  # words are not split off
                return _cut_last(known, _UNSPLIT)
            boundaries &= {0, *pieces}
        forced = tail[max(boundaries) :]
        if len(forced) > MAX_FORCED_CHARS or not forced:
            return Healed(known, "")
        return Healed(known[: len(known) - len(forced)], forced)

    return heal_open


def _cut_last(known: str, piece: re.Pattern[str]) -> Healed:
    found = piece.search(known[-MAX_FORCED_CHARS - 2 :])
    if not found or len(found.group()) > MAX_FORCED_CHARS:
        return Healed(known, "")
    return Healed(known[: len(known) - len(found.group())], found.group())


MAX_KNOWN_SHARE = 0.75
"""Share of the known part that the lines above the cursor may take when the anchor is set; the rest is for typing.

Small models continue text that they have just read better than text before the suffix (docs/reference/replay.md has the
measurement).
"""

Known = tuple[tuple[int, ...], Healed]
"""Tokens from the anchor to the last token boundary before the cursor, and the text split there."""


@dataclass(frozen=True)
class TextEncoding:
    """How text becomes tokens.

    Attributes:
        encode: the tokenizer.
        header: text that the model's documents began with in training.
        healer: splits text at the tokenizer's boundaries.
    """

    encode: Encode
    header: str = ""
    healer: Healer = heal


@dataclass(frozen=True, kw_only=True)
class Anchor:
    """One place of the anchor, with the prompt's text on both sides.

    Attributes:
        start: offset of the window's start.
        position: offset of the anchor.
        prefix: text from the window's start to the anchor.
        prefix_tokens: its tokens, after those of other files. If the window begins the document, the model's
            document header comes between them.
        suffix: text after the cursor's line.
        suffix_tokens: its tokens.
    """

    start: int
    position: int
    prefix: str
    prefix_tokens: tuple[int, ...]
    suffix: str
    suffix_tokens: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class PlacedAnchor:
    """An anchor for a cursor after it.

    Attributes:
        anchor: the anchor.
        known_tokens: tokens between the anchor and the last token boundary before the cursor.
        forced: text between that boundary and the cursor.
    """

    anchor: Anchor
    known_tokens: tuple[int, ...]
    forced: str


def place_anchor(
    cursor: Cursor,
    previous: Anchor | None,
    budget: Budget,
    text: TextEncoding,
    find_context: Callable[[], str] = str,
) -> PlacedAnchor:
    """Return the anchor for a cursor: the previous one if it still fits.

    Args:
        cursor: place to complete at.
        previous: the document's last anchor.
        budget: numbers of tokens available.
        text: how text becomes tokens.
        find_context: returns whole lines of other files to put before the window; called if the anchor moves.
    """
    suffix = cut_suffix(cursor, budget.suffix)
    if previous and _still_fits(previous, cursor, suffix):
        known = _encode_known(cursor, previous.position, budget, text)
        if known is not None:
            return PlacedAnchor(anchor=previous, known_tokens=known[0], forced=known[1].forced)
    moved = _move_anchor(cursor, previous, suffix, budget, text)
    tokens = tuple(text.encode(find_context())[: budget.context]) if budget.context else ()
    return replace(moved, anchor=replace(moved.anchor, prefix_tokens=tokens + moved.anchor.prefix_tokens))


def _still_fits(anchor: Anchor, cursor: Cursor, suffix: str) -> bool:
    return (
        anchor.position <= cursor.offset
        and anchor.suffix == suffix
        and cursor.text.startswith(anchor.prefix, anchor.start)
    )


def _encode_known(cursor: Cursor, position: int, budget: Budget, text: TextEncoding) -> Known | None:
    """Return the known part from `position` to the cursor; None if it has too many tokens."""
    if cursor.offset - position > _max_known_chars(budget):
        return None
    healed = text.healer(cursor.text[position : cursor.offset])
    tokens = tuple(text.encode(healed.kept)) if healed.kept else ()
    return (tokens, healed) if len(tokens) <= budget.known else None


def _move_anchor(
    cursor: Cursor, previous: Anchor | None, suffix: str, budget: Budget, text: TextEncoding
) -> PlacedAnchor:
    """Return a new anchor some lines above the cursor."""
    position, known = _choose_position(cursor, budget, text)
    is_same_suffix = previous is not None and previous.suffix == suffix
    suffix_tokens = (
        previous.suffix_tokens if previous and is_same_suffix else tuple(text.encode(suffix)[: budget.suffix])
    )
    start, prefix_tokens = _encode_prefix(
        cursor.text, position, previous, budget.text - len(suffix_tokens), text
    )
    anchor = Anchor(
        start=start,
        position=position,
        prefix=cursor.text[start:position],
        prefix_tokens=prefix_tokens,
        suffix=suffix,
        suffix_tokens=suffix_tokens,
    )
    return PlacedAnchor(anchor=anchor, known_tokens=known[0], forced=known[1].forced)


def _choose_position(cursor: Cursor, budget: Budget, text: TextEncoding) -> tuple[int, Known]:
    """Return the earliest line start from which the known part takes `MAX_KNOWN_SHARE`, and that part.

    If not even the line above fits, it is the start of the cursor's line; if that line does not fit, the cursor.
    """
    position = cursor.line_start
    known = _encode_known(cursor, position, budget, text)
    if known is None:
        healed = text.healer(cursor.line_before)
        return cursor.offset - len(healed.forced), ((), healed)
    starts = _line_starts(cursor.text, position, cursor.offset - _max_known_chars(budget))
    low, high = 0, len(starts)
    while low < high:  # the first `low` lines above fit; those from `high` on do not
        middle = (low + high) // 2
        longer = _encode_known(cursor, starts[middle], budget, text)
        if longer is None or len(longer[0]) > budget.known * MAX_KNOWN_SHARE:
            high = middle
        else:
            low, position, known = middle + 1, starts[middle], longer
    return position, known


def _line_starts(text: str, end: int, min_offset: int) -> list[int]:
    """Return the starts of the lines before `end`, from `min_offset` on, the nearest first."""
    min_offset = max(0, min_offset)
    starts: list[int] = []
    while end > min_offset:
        end = text.rfind("\n", min_offset, end - 1) + 1
        if not end and min_offset:  # the line begins before `min_offset`
            break
        starts.append(end)
    return starts


def _max_known_chars(budget: Budget) -> int:
    """Return a number of characters that the tokens of the known part never exceed."""
    return (budget.known + 1) * CHARS_PER_TOKEN * 2


def _encode_prefix(
    document: str, position: int, previous: Anchor | None, max_tokens: int, text: TextEncoding
) -> tuple[int, tuple[int, ...]]:
    """Return the window's start and the tokens from there to the anchor; the previous start if it still fits."""
    if previous and may_keep_start(document, previous.start, position, max_tokens):
        tokens = _encode_window(document, previous.start, position, text)
        if len(tokens) <= max_tokens and (previous.start == 0 or len(tokens) >= max_tokens * MIN_FILL_SHARE):
            return previous.start, tokens
    start = choose_start(document, position, max_tokens, text.encode)
    return start, _encode_window(document, start, position, text)[-max_tokens:]


def _encode_window(document: str, start: int, end: int, text: TextEncoding) -> tuple[int, ...]:
    return tuple(text.encode((text.header if start == 0 else "") + document[start:end]))
