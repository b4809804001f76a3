"""Suffix array over the files' tokens, in which a context's longest match is found by bisection.

A suffix array (Manber & Myers 1993) over the tokens of all files, each file reversed: a suffix of that text is the
context of one token, read from right to left. Contexts that share their last tokens are neighbours, so one bisection
finds the longest match of any context, and the shorter matches around it. Infini-gram (Liu et al. 2024,
arXiv 2401.17377) searches forwards, once for every length; on reversed text one search gives all.
"""

from __future__ import annotations

from bisect import bisect_left
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from pydivsufsort import divsufsort

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Tokens = NDArray[np.unsignedinteger[Any]]

TOKEN, WIDE_TOKEN = np.dtype(">u2"), np.dtype(">u4")
"""Tokens are stored with the high byte first, so that comparing bytes compares tokens. CodeGen2 has at most 51,200;
vocabularies of more than 65,535 take four bytes a token."""

MAX_NARROW_VOCABULARY = (1 << 16) - 1
"""Maximum vocabulary of two bytes; their greatest number is no token (`NO_TOKEN`)."""

DEPTH = 32
"""Tokens of a context that are compared when neighbours are ranked; the search itself has no such limit."""

NO_TOKEN = b"\xff"
"""Byte that all bytes of `NO_TOKEN` have."""

_PIECE = 1 << 20

_ROW = {token.itemsize: np.dtype((np.void, (1 + DEPTH) * token.itemsize)) for token in (TOKEN, WIDE_TOKEN)}
_NUMBERS = {2: np.dtype((np.uint16, (1 + DEPTH,))), 4: np.dtype((np.uint32, (1 + DEPTH,)))}
_STORED: dict[int, np.dtype[Any]] = {2: TOKEN, 4: WIDE_TOKEN}


NARROW: np.dtype[Any] = np.dtype(np.uint16)
"""The machine's type of CodeGen2's tokens."""


def find_numbers(vocab_size: int) -> np.dtype[Any]:
    """Return the machine's type of a vocabulary's tokens: uint16, or uint32 where two bytes do not suffice."""
    return NARROW if vocab_size <= MAX_NARROW_VOCABULARY else np.dtype(np.uint32)


def stored_type(numbers: np.dtype[Any]) -> np.dtype[Any]:
    """Return the type in which tokens of a machine's type are stored and compared, `TOKEN` or `WIDE_TOKEN`."""
    return _STORED[numbers.itemsize]


class Neighbours(NamedTuple):
    """Entries next to the place where a context belongs, in sorted order.

    Attributes:
        rows: for each entry the token that followed and then its context from right to left, [n, 1 + DEPTH]; bytes
            of the stored type read as the machine's own numbers, which compare faster but have no other use.
        places: the entries' own places in the segment, [n].
        counts: which of them are evidence, [n]. The end of a file is none.
    """

    rows: Tokens
    places: NDArray[np.int64]
    counts: NDArray[np.bool_]

    def take(self, which: NDArray[np.int64]) -> Neighbours:
        """Return some of the entries."""
        return Neighbours(self.rows[which], self.places[which], self.counts[which])


class Segment:
    """A sorted sequence of tokens.

    A place in it is an index into the backwards text: `text[place:]` is a context, `text[place - 1]` the token
    that followed it.

    Args:
        text: result of `backwards`, as bytes or a mapped file.
        suffixes: result of `sort_suffixes`, uint32 [tokens], or a mapped file.
        separator: the token that ends every file.
        token: type of the text's tokens, `TOKEN` or `WIDE_TOKEN`.
    """

    def __init__(self, text: Any, suffixes: Any, separator: int, token: np.dtype[Any] = TOKEN) -> None:
        self._bytes = text
        self._size = token.itemsize
        self._text = np.frombuffer(text, token)
        self._order = np.frombuffer(suffixes, np.uint32)
        self._ranks: memoryview = memoryview(suffixes).cast("B").cast("I")
        self._numbers = _NUMBERS[self._size]
        self._end = int(np.array(separator, token).view(self._numbers.base))
        self._starts: memoryview = _starts(self._text[: len(self._order)]).data
        # All rows, overlapping; an item each, since whole items are copied faster than rows of numbers. The row of
        # place 0 is the last one, before which the last file ended: nothing follows it either.
        self._rows = np.ndarray(
            max(0, len(self._text) - DEPTH), _ROW[self._size], text, strides=(self._size,)
        )

    @classmethod
    def of(cls, files: Sequence[Tokens], separator: int) -> Segment:
        """Sort the tokens of files, in memory."""
        text = backwards(files, separator)
        return cls(text.tobytes(), sort_suffixes(text).tobytes(), separator, text.dtype)

    @property
    def numbers(self) -> np.dtype[Any]:
        """The machine's type of the tokens."""
        return self._numbers.base

    def __len__(self) -> int:
        return len(self._order)

    def neighbours(self, context: bytes, each_side: int) -> Neighbours:
        """Return the entries nearest to a context.

        Args:
            context: tokens from right to left, of the stored type.
            each_side: number of entries before and after the context's own place.
        """
        return self.around(self.search(context), each_side)

    def around(self, at: int, each_side: int) -> Neighbours:
        """Return the entries around number `at`: this many before it and after it."""
        places = self._order[max(0, at - each_side) : at + each_side].astype(np.int64)
        rows: NDArray[Any] = self._rows[places - 1].view(self._numbers)
        return Neighbours(rows, places, rows[:, 0] != self._end)

    def check(self) -> None:
        """Check the properties that a damaged file most likely violates.

        Raises:
            ValueError: a place is outside of the text, or two neighbours are in the wrong order.
        """
        if not len(self):
            return
        if int(self._order.max()) >= len(self):
            raise ValueError("a place is outside of the text")
        sample = self._order[np.linspace(0, len(self) - 1, min(len(self), 257)).astype(np.int64)]
        size = self._size
        contexts = [self._bytes[size * int(place) : size * int(place + DEPTH)] for place in sample]
        if any(before > after for before, after in pairwise(contexts)):
            raise ValueError("its order is wrong")

    def span(self, start: int, end: int) -> NDArray[Any]:
        """Return a piece of the reversed text."""
        return self._text[start:end]

    def search(self, context: bytes) -> int:
        """Count the entries with a smaller context; entries that begin with all of it count as greater."""
        text, ranks, length, size = self._bytes, self._ranks, len(context), self._size
        last = int.from_bytes(context[:size])
        if not context or last + 1 >= len(self._starts):
            return len(ranks) if context else 0

        def key(entry: int) -> Any:
            start = size * ranks[entry]
            return text[start : start + length]

        return bisect_left(range(len(ranks)), context, self._starts[last], self._starts[last + 1], key=key)


def _starts(text: NDArray[Any]) -> NDArray[np.int64]:
    """Count the entries that end in a token less than 0, 1, ..., and the greatest plus one."""
    counts = np.zeros(1, np.int64)
    for begin in range(0, len(text), _PIECE):  # a mapped file is not read into memory completely
        more = np.bincount(text[begin : begin + _PIECE])
        longer, shorter = (more, counts) if len(more) > len(counts) else (counts, more)
        longer[: len(shorter)] += shorter
        counts = longer
    return np.concatenate([[0], counts.cumsum()])


def backwards(files: Sequence[Tokens], separator: int) -> NDArray[Any]:
    """Concatenate the files' tokens, each reversed and followed by a separator; padded by DEPTH."""
    parts: list[NDArray[Any]] = []
    token = stored_type(files[0].dtype if files else find_numbers(separator + 1))
    for tokens in files:
        parts += [tokens[::-1].astype(token), np.array([separator], token)]
    padding = np.full(DEPTH, separator, token)
    return np.concatenate([*parts, padding]).astype(
        token
    )  # joining arrays converts them to the machine's byte order


def sort_suffixes(text: NDArray[Any]) -> NDArray[np.uint32]:
    """Sort the places of a reversed text by their contexts, without the padding.

    Sorted by libdivsufsort (Mori 2006), about a quarter of a second per million tokens.
    """
    order = divsufsort(text.astype(text.dtype.newbyteorder("=")))
    return np.ascontiguousarray(order[order < len(text) - DEPTH], np.uint32)


def matched(rows: Tokens, context: bytes) -> NDArray[np.int64]:
    """Count the tokens that each context shares with another from its end, [n], at most DEPTH.

    Args:
        rows: see `Neighbours`.
        context: up to DEPTH tokens, from right to left, of the stored type.
    """
    size = rows.itemsize
    sought = np.empty(len(rows), _ROW[size])
    sought[:] = np.frombuffer(NO_TOKEN * size + context.ljust(DEPTH * size, NO_TOKEN), _ROW[size])
    differs = np.empty(rows.size + 1, np.bool_)
    differs[-1] = True
    np.not_equal(rows.ravel(), sought.view(rows.dtype), out=differs[:-1])
    # One to the right, so that each row ends with the next one's first column, where NO_TOKEN always differs.
    return np.asarray(differs[1:].reshape(rows.shape).argmax(axis=1), np.int64)


def following(rows: Tokens) -> NDArray[np.int64]:
    """Return the token after each context; the separator where a file ended, [n].

    Args:
        rows: see `Neighbours`.
    """
    return rows[:, 0].view(stored_type(rows.dtype)).astype(np.int64)
