"""What memory must find, found by looking at every entry."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

from cg2ls.memory.segment import DEPTH

Match = tuple[int, int]
"""Tokens in common, and the token that followed."""


def matches(
    files: Sequence[Sequence[int]], context: Sequence[int], separator: int, hidden: Collection[int] = ()
) -> Counter[Match]:
    """Every entry of the files, by how long it matches a context and what followed.

    Args:
        files: tokens.
        context: tokens in front of the one in question, the separator before a document's start.
        separator: what stands before every file.
        hidden: entries of the last file that do not count.
    """
    found: Counter[Match] = Counter()
    for number, tokens in enumerate(files):
        whole = [separator, *tokens]
        for entry, token in enumerate(tokens):
            if number == len(files) - 1 and entry in hidden:
                continue
            found[_common(whole[: entry + 1], context), token] += 1
    return found


def _common(one: Sequence[int], other: Sequence[int]) -> int:
    most = min(len(one), len(other), DEPTH)
    return next((n for n in range(most) if one[-1 - n] != other[-1 - n]), most)
