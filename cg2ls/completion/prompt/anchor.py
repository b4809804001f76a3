"""The anchor: where the answer's known part begins.

It stays where it is while someone types, so that only the typed tokens are new to the engine's cache (EFIM,
Guo et al. 2025, arXiv 2505.21889; see `cg2ls.models.codegen2.infill`). It moves when the cursor jumps, the text
around it changes, or the known part grows longer than the model was trained to continue.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cg2ls.completion.prompt.token_healing import Healed, heal
from cg2ls.completion.prompt.window import (
    CHARACTERS_PER_TOKEN,
    LEAST,
    Encode,
    choose_start,
    keeps_start,
    suffix_text,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from cg2ls.completion.prompt.budget import Budget
    from cg2ls.completion.prompt.cursor import Cursor


REACH = 0.75
"""Share of the known part that the lines above the cursor may take when the anchor is set; the rest is for
typing. Small models go on from text that they have just read better than from text in front of the suffix
(docs/reference/replay.md has the measurement)."""


@dataclass(frozen=True, kw_only=True)
class Anchor:
    """One place of the anchor and what the prompt has on both sides.

    Attributes:
        start: offset of the window's start.
        position: offset of the anchor.
        prefix: the text between them.
        prefix_tokens: its tokens, with those of other files in front, and the model's document header if the
            window begins the document.
        suffix: text behind the cursor's line.
        suffix_tokens: its tokens.
    """

    start: int
    position: int
    prefix: str
    prefix_tokens: tuple[int, ...]
    suffix: str
    suffix_tokens: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Placed:
    """An anchor with the cursor somewhere behind it.

    Attributes:
        anchor: the anchor.
        known_tokens: tokens between the anchor and the cursor, backed up to a boundary.
        forced: text between that boundary and the cursor.
    """

    anchor: Anchor
    known_tokens: tuple[int, ...]
    forced: str


def place(
    cursor: Cursor,
    previous: Anchor | None,
    budget: Budget,
    encode: Encode,
    header: str = "",
    front: Callable[[], str] = str,
) -> Placed:
    """The anchor for this cursor: the previous one if it still holds.

    Args:
        cursor: where to complete.
        previous: the document's last anchor.
        budget: tokens there are.
        encode: the tokenizer.
        header: what the model's documents began with in training.
        front: gives what stands in front of the window, whole lines of other files; asked if the anchor moves.
    """
    suffix = suffix_text(cursor, budget.suffix)
    if previous and _holds(previous, cursor, suffix):
        known = _known(cursor, previous.position, budget, encode)
        if known is not None:
            return Placed(anchor=previous, known_tokens=known[0], forced=known[1].forced)
    moved = _move(cursor, previous, suffix, budget, encode, header)
    tokens = tuple(encode(front())[: budget.front]) if budget.front else ()
    return replace(moved, anchor=replace(moved.anchor, prefix_tokens=tokens + moved.anchor.prefix_tokens))


def _holds(anchor: Anchor, cursor: Cursor, suffix: str) -> bool:
    return (
        anchor.position <= cursor.offset
        and anchor.suffix == suffix
        and cursor.text.startswith(anchor.prefix, anchor.start)
    )


def _known(
    cursor: Cursor, position: int, budget: Budget, encode: Encode
) -> tuple[tuple[int, ...], Healed] | None:
    """Tokens from `position` to the cursor; None if there are too many."""
    if cursor.offset - position > _most_characters(budget):
        return None
    healed = heal(cursor.text[position : cursor.offset])
    tokens = tuple(encode(healed.kept)) if healed.kept else ()
    return (tokens, healed) if len(tokens) <= budget.known else None


def _move(
    cursor: Cursor, previous: Anchor | None, suffix: str, budget: Budget, encode: Encode, header: str
) -> Placed:
    """A new anchor, some lines above the cursor."""
    position, known = _behind_lines(cursor, budget, encode)
    same_suffix = previous is not None and previous.suffix == suffix
    suffix_tokens = (
        previous.suffix_tokens if previous and same_suffix else tuple(encode(suffix)[: budget.suffix])
    )
    start, prefix_tokens = _prefix(
        cursor.text, position, previous, budget.text - len(suffix_tokens), encode, header
    )
    anchor = Anchor(
        start=start,
        position=position,
        prefix=cursor.text[start:position],
        prefix_tokens=prefix_tokens,
        suffix=suffix,
        suffix_tokens=suffix_tokens,
    )
    return Placed(anchor=anchor, known_tokens=known[0], forced=known[1].forced)


def _behind_lines(
    cursor: Cursor, budget: Budget, encode: Encode
) -> tuple[int, tuple[tuple[int, ...], Healed]]:
    """The earliest start of a line that leaves `REACH` of the known part, and the tokens from there on.

    It is the start of the cursor's line, if not even the line above fits, and the cursor if its own does not.
    """
    position = cursor.line_start
    known = _known(cursor, position, budget, encode)
    if known is None:
        healed = heal(cursor.line_before)
        return cursor.offset - len(healed.forced), ((), healed)
    starts = _line_starts(cursor.text, position, cursor.offset - _most_characters(budget))
    low, high = 0, len(starts)
    while low < high:  # the first `low` lines above fit; those from `high` on do not
        middle = (low + high) // 2
        longer = _known(cursor, starts[middle], budget, encode)
        if longer is None or len(longer[0]) > budget.known * REACH:
            high = middle
        else:
            low, position, known = middle + 1, starts[middle], longer
    return position, known


def _line_starts(text: str, end: int, least: int) -> list[int]:
    """Starts of the lines above the one that begins at `end`, none before `least`, the nearest first."""
    least = max(0, least)
    starts: list[int] = []
    while end > least:
        end = text.rfind("\n", least, end - 1) + 1
        if not end and least:  # the line begins before `least`
            break
        starts.append(end)
    return starts


def _most_characters(budget: Budget) -> int:
    """More characters than the known part's tokens ever have."""
    return (budget.known + 1) * CHARACTERS_PER_TOKEN * 2


def _prefix(
    text: str, position: int, previous: Anchor | None, room: int, encode: Encode, header: str
) -> tuple[int, tuple[int, ...]]:
    """The window's start and the tokens from there to the anchor; the previous start if it serves."""
    if previous and keeps_start(text, previous.start, position, room):
        tokens = _encoded(text, previous.start, position, encode, header)
        if len(tokens) <= room and (previous.start == 0 or len(tokens) >= room * LEAST):
            return previous.start, tokens
    start = choose_start(text, position, room, encode)
    return start, _encoded(text, start, position, encode, header)[-room:]


def _encoded(text: str, start: int, end: int, encode: Encode, header: str) -> tuple[int, ...]:
    return tuple(encode((header if start == 0 else "") + text[start:end]))
