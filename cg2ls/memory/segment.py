"""Token sequences of files, sorted so that what followed a context is found by its longest match.

A suffix array (Manber & Myers 1993) over the tokens of all files, each file written backwards: a suffix of that
text is the context of one token read from right to left. Contexts that share their last tokens stand side by
side, so one bisection finds the longest match of any context, and the shorter matches around it. Infini-gram
(Liu et al. 2024, arXiv 2401.17377) searches forwards and again for every length; backwards one search gives all.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from pydivsufsort import divsufsort

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

TOKEN = np.dtype(">u2")
"""Tokens lie with their high byte first, so that bytes compare as tokens do. CodeGen2 has 51200 at most."""

DEPTH = 32
"""Tokens of a context that are compared when neighbours are ranked; the search itself knows no such bound."""


@dataclass(frozen=True)
class Neighbours:
    """Entries beside the place where a context belongs, in their order.

    Attributes:
        windows: the entries' contexts from right to left, [n, DEPTH]; bytes of type TOKEN taken as the machine's own
            numbers, which compare faster and are good for nothing but comparing.
        following: the token after each of these contexts, [n].
        places: the entries' own places in the segment, [n].
    """

    windows: NDArray[Any]
    following: NDArray[np.int64]
    places: NDArray[np.int64]


class Segment:
    """One sorted sequence.

    A place in it is an index into the backwards text: `text[place:]` is a context, `text[place - 1]` the token
    that followed it.

    Args:
        text: what `backwards` gave, as bytes or a mapped file.
        suffixes: what `sort_suffixes` gave, uint32 [tokens], or a mapped file.
        separator: the token that ends every file.
    """

    def __init__(self, text: Any, suffixes: Any, separator: int) -> None:
        self._bytes = text
        self._text = np.frombuffer(text, TOKEN)
        self._windows = sliding_window_view(self._text.view(np.uint16), DEPTH)
        self._order = np.frombuffer(suffixes, np.uint32)
        self._ranks: memoryview = memoryview(suffixes).cast("B").cast("I")
        self._separator = separator

    @classmethod
    def of(cls, files: Sequence[NDArray[np.uint16]], separator: int) -> Segment:
        """Sorts the tokens of some files, in memory."""
        text = backwards(files, separator)
        return cls(text.tobytes(), sort_suffixes(text).tobytes(), separator)

    def __len__(self) -> int:
        return len(self._order)

    def neighbours(self, context: bytes, each_side: int) -> Neighbours:
        """The entries nearest to a context.

        Args:
            context: tokens from right to left, of type TOKEN.
            each_side: how many before and how many behind the context's own place.
        """
        at = self.search(context)
        places = self._order[max(0, at - each_side) : at + each_side].astype(np.int64)
        following = self._text[places - 1].astype(
            np.int64
        )  # nothing follows place 0; the padding does instead
        followed = following != self._separator
        if not followed.all():
            places, following = places[followed], following[followed]
        return Neighbours(self._windows[places], following, places)

    def check(self) -> None:
        """Looks at what a damaged file would get wrong first.

        Raises:
            ValueError: a place lies outside of the text, or two neighbours stand in the wrong order.
        """
        if not len(self):
            return
        if int(self._order.max()) >= len(self):
            raise ValueError("a place lies outside of the text")
        sample = self._order[np.linspace(0, len(self) - 1, min(len(self), 257)).astype(np.int64)]
        contexts = [self._bytes[2 * int(place) : 2 * int(place + DEPTH)] for place in sample]
        if any(before > after for before, after in pairwise(contexts)):
            raise ValueError("its order is wrong")

    def span(self, start: int, end: int) -> NDArray[Any]:
        """A piece of the backwards text."""
        return self._text[start:end]

    def search(self, context: bytes) -> int:
        """How many entries have a smaller context; entries that begin with all of it count as greater."""
        text, ranks, length = self._bytes, self._ranks, len(context)

        def key(entry: int) -> Any:
            start = 2 * ranks[entry]
            return text[start : start + length]

        return bisect_left(range(len(ranks)), context, key=key)


def backwards(files: Sequence[NDArray[np.uint16]], separator: int) -> NDArray[Any]:
    """Tokens of all files, each from its end to its start and a separator behind it; padded by DEPTH."""
    parts: list[NDArray[Any]] = []
    for tokens in files:
        parts += [tokens[::-1].astype(TOKEN), np.array([separator], TOKEN)]
    padding = np.full(DEPTH, separator, TOKEN)
    return np.concatenate([*parts, padding]).astype(TOKEN)  # joining arrays turns them to the machine's order


def sort_suffixes(text: NDArray[Any]) -> NDArray[np.uint32]:
    """Places of a backwards text in the order of their contexts, without the padding.

    Sorted by libdivsufsort (Mori 2006), about a quarter of a second per million tokens.
    """
    order = divsufsort(text.astype(np.uint16))
    return np.ascontiguousarray(order[order < len(text) - DEPTH], np.uint32)


def matched(windows: NDArray[Any], context: NDArray[Any]) -> NDArray[np.int64]:
    """Tokens that each window shares with a context from its end on, [n], DEPTH at most.

    Args:
        windows: [n, DEPTH], from right to left.
        context: up to DEPTH tokens, from right to left, of type TOKEN.
    """
    differs = np.ones((len(windows), len(context) + 1), np.bool_)
    np.not_equal(windows[:, : len(context)], context.view(np.uint16), out=differs[:, :-1])
    return np.asarray(differs.argmax(axis=1), np.int64)  # the column behind the context always differs
