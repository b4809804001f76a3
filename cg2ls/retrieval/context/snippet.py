"""A few lines of a file, and how much two of them have in common."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

LINES = 16
"""Of a snippet: about a function."""

_WORD = re.compile(r"[^\W\d]\w{2,}")


@dataclass(frozen=True)
class Snippet:
    r"""Lines of a file, with `\n` line ends.

    Attributes:
        path: of the file, relative to the workspace with slashes.
        line: number of the first, from 0.
        text: of them.
    """

    path: str
    line: int
    text: str

    @cached_property
    def words(self) -> frozenset[str]:
        """Names and keywords in it."""
        return words_of(self.text)


def words_of(text: str) -> frozenset[str]:
    """Names and keywords of three letters or more."""
    return frozenset(_WORD.findall(text))


def jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    """Share of the words of either that both have, 0 to 1 (Jaccard 1912)."""
    together = len(one | other)
    return len(one & other) / together if together else 0.0


def snippets_of(path: str, text: str) -> list[Snippet]:
    """A file in pieces of `LINES` lines; those without a word are left out."""
    lines = text.split("\n")
    found = []
    for start in range(0, len(lines), LINES):
        snippet = Snippet(path, start, "\n".join(lines[start : start + LINES]) + "\n")
        if snippet.words:
            found.append(snippet)
    return found
