"""Snippets: a few lines of a file, how similar two of them are, and an index that finds them by words and names."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from time import perf_counter

SNIPPET_LINES = 16
"""About the length of a function."""

_WORD = re.compile(r"[^\W\d]\w{2,}")
_PYTHON_IMPORT = re.compile(r"^[ \t]*from[ \t]+[.\w]+[ \t]+import[ \t]+(\([^)]*\)|[^\n#]+)", re.MULTILINE)
_BRACES_IMPORT = re.compile(r"^[ \t]*(?:import|use)\b[^\n{;]*\{([^}]*)\}", re.MULTILINE)
_IMPORTED_NAME = re.compile(r"(\w+)(?:[ \t]+as[ \t]+\w+)?")


@dataclass(frozen=True)
class Snippet:
    r"""Lines of a file, with `\n` line ends.

    Attributes:
        path: path of the file, relative to the workspace with slashes.
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
    groups = [*_PYTHON_IMPORT.finditer(text), *_BRACES_IMPORT.finditer(text)]
    return list(dict.fromkeys(name for group in groups for name in _IMPORTED_NAME.findall(group.group(1))))


BM25_K1 = 1.2
BM25_B = 0.75
"""Parameters of BM25 (Robertson and Zaragoza 2009); every word counts once in a snippet."""

MAX_WORD_SHARE = 0.2
"""Words in more than this share of all snippets are ignored."""

DEFINITION = re.compile(
    r"^[ \t]*(?:export[ \t]+)?(?:async[ \t]+)?(?:def|class|function|interface|struct|enum|trait|fn|func)[ \t]+(\w+)",
    re.MULTILINE,
)
DEFINITION_LINES = SNIPPET_LINES // 2


class SnippetIndex:
    """Snippets of all files. Built in the background, read-only afterwards."""

    def __init__(
        self, files: Iterable[tuple[str, str]] = (), stop: Callable[[], bool] = lambda: False
    ) -> None:
        self._snippets: list[Snippet] = []
        self._with: defaultdict[str, list[int]] = defaultdict(list)
        self._defined: defaultdict[str, list[Snippet]] = defaultdict(list)
        for path, text in files:
            if stop():
                break
            self._add(path, text)
        words = sum(len(snippet.words) for snippet in self._snippets)
        self._mean = words / len(self._snippets) if self._snippets else 1.0

    def __len__(self) -> int:
        return len(self._snippets)

    def definitions(self, name: str, *, outside: str) -> list[Snippet]:
        """Return the definitions of a name in files other than `outside`."""
        return [snippet for snippet in self._defined.get(name, ()) if snippet.path != outside]

    def similar(
        self, words: Iterable[str], *, outside: str, max_snippets: int, until: float
    ) -> list[Snippet]:
        """Return the snippets most similar to a set of words by BM25, the best first.

        Args:
            words: words to compare with; rare ones count more.
            outside: a file to leave out.
            max_snippets: maximum number of results.
            until: time of `perf_counter` at which the search stops with what it has found.
        """
        scores: defaultdict[int, float] = defaultdict(float)
        known = sorted((len(self._with[word]), word) for word in set(words) if word in self._with)
        for count, word in known:
            if count > max(2, MAX_WORD_SHARE * len(self._snippets)) or perf_counter() > until:
                break
            rarity = math.log(1 + (len(self._snippets) - count + 0.5) / (count + 0.5))
            for number in self._with[word]:
                length = len(self._snippets[number].words) / self._mean
                scores[number] += rarity * (BM25_K1 + 1) / (1 + BM25_K1 * (1 - BM25_B + BM25_B * length))
        ranked = sorted(scores, key=lambda number: (-scores[number], number))
        found = (self._snippets[number] for number in ranked)
        return [snippet for snippet in found if snippet.path != outside][:max_snippets]

    def _add(self, path: str, text: str) -> None:
        for snippet in snippets_of(path, text):
            for word in snippet.words:
                self._with[word].append(len(self._snippets))
            self._snippets.append(snippet)
        for found in DEFINITION.finditer(text):
            line = text.count("\n", 0, found.start(1))
            lines = text.split("\n", line + DEFINITION_LINES)[line : line + DEFINITION_LINES]
            self._defined[found.group(1)].append(Snippet(path, line, "\n".join(lines) + "\n"))
