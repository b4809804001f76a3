"""Text of a workspace's other files for the beginning of the prompt: snippets, an index of them, and their choice.

Snippets are chosen again only when the cursor has moved far, and their order does not depend on their score: a change
at a prompt's beginning would invalidate the KV cache of everything after it.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from time import perf_counter

__all__ = ["PromptContext", "RecentPlaces", "Snippet", "SnippetIndex", "snippets_of"]


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


MAX_CURSOR_LINES = 32
"""Lines the cursor may move before snippets are chosen again."""

COMPARED_LINES = 20
"""Lines above and below the cursor that snippets are compared with."""

MIN_SIMILARITY = 0.1
"""Jaccard similarity that a recent place must have."""

MAX_SIMILARITY = 0.5
"""Snippets more similar than this to the lines at the cursor add nothing."""

MAX_SIMILAR_SNIPPETS = 8

LIMIT_S = 0.005
"""Seconds that choosing may take."""

HASH_COMMENT_LANGUAGES = frozenset({"julia", "perl", "python", "r", "ruby", "shellscript", "yaml"})


@dataclass(frozen=True)
class _Chosen:
    line: int
    tokens: int
    index: SnippetIndex
    text: str


class PromptContext:
    """Text of other files for the prompts of one workspace's documents of one language.

    Args:
        language: LSP id of the language.
        count: returns the number of tokens of a text.
        index: index of the workspace's files; may be replaced when files change.
    """

    def __init__(self, language: str, count: Callable[[str], int], index: SnippetIndex | None = None) -> None:
        self.index = index or SnippetIndex()
        self.recent = RecentPlaces()
        self._comment = "#" if language in HASH_COMMENT_LANGUAGES else "//"
        self._count = count
        self._chosen: dict[str, _Chosen] = {}

    def text(self, path: str, text: str, offset: int, tokens: int) -> str:
        """Return the text to put before the document's own: snippets, each below a comment with its file's name.

        Args:
            path: path of the document, relative to the workspace with slashes.
            text: text of the document.
            offset: offset of the cursor, in characters.
            tokens: maximum length of the result.
        """
        line = text.count("\n", 0, offset)
        before = self._chosen.get(path)
        if (
            before is None
            or before.tokens != tokens
            or abs(before.line - line) > MAX_CURSOR_LINES
            or self._found_nothing_before_reading(before)
        ):
            chosen = self._choose(path, text, line, tokens)
            before = self._chosen[path] = _Chosen(line, tokens, self.index, chosen)
        return before.text

    def _found_nothing_before_reading(self, before: _Chosen) -> bool:
        """Return whether snippets were chosen before the files were read, and none was found."""
        return not before.text and before.index is not self.index

    def forget(self, path: str) -> None:
        """Forget a document that was closed."""
        self._chosen.pop(path, None)

    def _choose(self, path: str, text: str, line: int, tokens: int) -> str:
        until = perf_counter() + LIMIT_S
        around = "\n".join(text.split("\n")[max(0, line - COMPARED_LINES) : line + COMPARED_LINES])
        taken: list[tuple[Snippet, str]] = []
        left = tokens
        for snippet in _without_repeats(
            self._candidates(path, text, words_of(around), until), words_of(around)
        ):
            written = f"{self._comment} {snippet.path}\n{snippet.text.rstrip()}\n\n"
            size = self._count(written)
            if size <= left:
                taken.append((snippet, written))
                left -= size
            if perf_counter() > until:
                break
        return "".join(written for _, written in sorted(taken, key=lambda each: (each[0].path, each[0].line)))

    def _candidates(self, path: str, text: str, here: frozenset[str], until: float) -> Iterator[Snippet]:
        """Yield snippets, the best first: definitions of imported names used here, recent places, similar snippets."""
        for name in imported_names(text):
            if name in here:
                yield from self.index.definitions(name, outside=path)[:1]
        seen = [(jaccard(snippet.words, here), snippet) for snippet in self.recent if snippet.path != path]
        yield from (
            snippet for score, snippet in sorted(seen, key=lambda one: -one[0]) if score >= MIN_SIMILARITY
        )
        yield from self.index.similar(here, outside=path, max_snippets=MAX_SIMILAR_SNIPPETS, until=until)


def _without_repeats(snippets: Iterable[Snippet], here: frozenset[str]) -> Iterator[Snippet]:
    """Leave out snippets that are similar to the lines here or to an earlier snippet."""
    earlier = [here]
    for snippet in snippets:
        if all(jaccard(snippet.words, words) <= MAX_SIMILARITY for words in earlier):
            earlier.append(snippet.words)
            yield snippet


MAX_PLACES = 16

SAME_SIMILARITY = 0.9
"""Snippets more similar than this are one place at two times."""


class RecentPlaces:
    """The last places, the newest first. Another thread may add while one reads."""

    def __init__(self) -> None:
        self._seen: deque[Snippet] = deque(maxlen=MAX_PLACES)

    def add(self, path: str, text: str, offset: int) -> None:
        """Add the lines around a place, and drop older snippets with the same content.

        Args:
            path: path of the document, relative to the workspace.
            text: text of the document.
            offset: offset of the place, in characters.
        """
        first = (
            text.count("\n", 0, offset) // (SNIPPET_LINES // 2) * (SNIPPET_LINES // 2) - SNIPPET_LINES // 4
        )
        lines = text.split("\n")
        first = max(0, min(first, len(lines) - SNIPPET_LINES))
        snippet = Snippet(path, first, "\n".join(lines[first : first + SNIPPET_LINES]) + "\n")
        if snippet.words:
            kept = [
                seen
                for seen in self._seen
                if (seen.path, seen.line) != (path, first)
                and jaccard(seen.words, snippet.words) <= SAME_SIMILARITY
            ]
            self._seen = deque([snippet, *kept], maxlen=MAX_PLACES)

    def __iter__(self) -> Iterator[Snippet]:
        return iter(tuple(self._seen))
