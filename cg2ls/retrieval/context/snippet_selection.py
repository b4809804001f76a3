"""Choose the snippets of other files with which a prompt begins.

They are chosen again only when the cursor has moved far, and their order does not depend on their score: a change at a
prompt's beginning would invalidate the KV cache of everything after it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from time import perf_counter

from cg2ls.retrieval.context.snippets import (
    SNIPPET_LINES,
    Snippet,
    SnippetIndex,
    imported_names,
    jaccard,
    words_of,
)

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
