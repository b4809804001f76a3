"""The part of a completion that a client of HTTP can insert."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cg2ls.completion.syntax.unclosed import find_unbalanced

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cg2ls.completion import Completion
    from cg2ls.http.query import Query


def insertable(completion: Completion, query: Query) -> str:
    """Return the text to insert at the cursor: these clients cannot replace the closers after it."""
    if completion.replace_end_offset <= len(query.before):
        return completion.text
    unopened = find_unbalanced(completion.text).unopened
    first = query.after.lstrip(" \t")[:1]
    end = min(unopened) if unopened else completion.text.find(first)
    return completion.text[: max(end, 0)]


def cut_at(text: str, stops: Sequence[str]) -> str:
    """Return the part of a text before any stop text."""
    ends = [at for stop in stops if (at := text.find(stop)) >= 0]
    return text[: min(ends)] if ends else text


def releasable(text: str, stops: Sequence[str]) -> str:
    """Return the part of a text before any stop text, and before the beginning of one whose rest may follow."""
    text = cut_at(text, stops)
    held = (size for stop in stops for size in range(1, len(stop)) if text.endswith(stop[:size]))
    return text[: len(text) - max(held, default=0)]
