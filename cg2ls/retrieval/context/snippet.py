"""Snippets: a few lines of a file, the words in them, and how similar two of them are."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

SNIPPET_LINES = 16
"""About the length of a function."""

_WORD = re.compile(r"[^\W\d]\w{2,}")
_PYTHON = re.compile(r"^[ \t]*from[ \t]+[.\w]+[ \t]+import[ \t]+(\([^)]*\)|[^\n#]+)", re.MULTILINE)
_BRACES = re.compile(r"^[ \t]*(?:import|use)\b[^\n{;]*\{([^}]*)\}", re.MULTILINE)
_NAME = re.compile(r"(\w+)(?:[ \t]+as[ \t]+\w+)?")


@dataclass(frozen=True)
class Snippet:
    r"""Lines of a file, with `\n` line ends.

    Attributes:
        path: of the file, relative to the workspace with slashes.
        line: number of the first line, from 0.
        text: the lines.
    """

    path: str
    line: int
    text: str

    @cached_property
    def words(self) -> frozenset[str]:
        """Names and keywords of three letters or more."""
        return words_of(self.text)


def words_of(text: str) -> frozenset[str]:
    """Return the names and keywords of three letters or more."""
    return frozenset(_WORD.findall(text))


def jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    """Return the Jaccard similarity of two sets of words, 0 to 1 (Jaccard 1912)."""
    together = len(one | other)
    return len(one & other) / together if together else 0.0


def snippets_of(path: str, text: str) -> list[Snippet]:
    """Split a file into pieces of `SNIPPET_LINES` lines, without those that have no word."""
    lines = text.split("\n")
    found = []
    for start in range(0, len(lines), SNIPPET_LINES):
        snippet = Snippet(path, start, "\n".join(lines[start : start + SNIPPET_LINES]) + "\n")
        if snippet.words:
            found.append(snippet)
    return found


def imported_names(text: str) -> list[str]:
    """Return the names in `from a import b`, `import {b} from "a"` and `use a::{b}`, in order, without repeats."""
    groups = [*_PYTHON.finditer(text), *_BRACES.finditer(text)]
    return list(dict.fromkeys(name for group in groups for name in _NAME.findall(group.group(1))))
