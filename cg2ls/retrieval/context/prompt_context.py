"""Which snippets of other files stand in front of a prompt, and how they are written there.

They are chosen anew only when the cursor has gone far, and stand in an order that does not depend on how well they fit:
what is written at a prompt's beginning must stay as it is, or everything behind it is read again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from time import perf_counter

from cg2ls.retrieval.context.imports import imported_names
from cg2ls.retrieval.context.ring import Ring
from cg2ls.retrieval.context.snippet import Snippet, jaccard, words_of
from cg2ls.retrieval.context.snippet_index import Index

FAR = 32
"""Lines the cursor may go before snippets are chosen anew."""

NEAR = 20
"""Lines above and below the cursor that are compared with others."""

LEAST = 0.1
"""Jaccard similarity that a place seen lately must have."""

HERE = 0.5
"""A snippet that has so much in common with the lines at the cursor says nothing new."""

LIMIT_S = 0.005
"""Time that choosing may take."""

HASH = frozenset({"julia", "perl", "python", "r", "ruby", "shellscript", "yaml"})


@dataclass(frozen=True)
class _Chosen:
    line: int
    tokens: int
    index: Index
    text: str


class Context:
    """What stands in front of the prompts of one workspace's documents of one language.

    Args:
        language: LSP id of them.
        count: how many tokens a text has.
        index: of the workspace's files; may be replaced when they change.
    """

    def __init__(self, language: str, count: Callable[[str], int], index: Index | None = None) -> None:
        self.index = index or Index()
        self.ring = Ring()
        self._comment = "#" if language in HASH else "//"
        self._count = count
        self._chosen: dict[str, _Chosen] = {}

    def text(self, path: str, text: str, offset: int, tokens: int) -> str:
        """What to write in front of the document's own text: snippets, each below a comment with its file's name.

        Args:
            path: of the document, relative to the workspace with slashes.
            text: of the document.
            offset: of the cursor, in characters.
            tokens: most that it may have.
        """
        line = text.count("\n", 0, offset)
        before = self._chosen.get(path)
        if (
            before is None
            or before.tokens != tokens
            or abs(before.line - line) > FAR
            or self._knows_now(before)
        ):
            chosen = self._choose(path, text, line, tokens)
            before = self._chosen[path] = _Chosen(line, tokens, self.index, chosen)
        return before.text

    def _knows_now(self, before: _Chosen) -> bool:
        """Whether nothing was found when files were not read yet."""
        return not before.text and before.index is not self.index

    def forget(self, path: str) -> None:
        """A document was closed."""
        self._chosen.pop(path, None)

    def _choose(self, path: str, text: str, line: int, tokens: int) -> str:
        until = perf_counter() + LIMIT_S
        around = "\n".join(text.split("\n")[max(0, line - NEAR) : line + NEAR])
        taken: list[tuple[Snippet, str]] = []
        left = tokens
        for snippet in _apart(self._candidates(path, text, words_of(around), until), words_of(around)):
            written = f"{self._comment} {snippet.path}\n{snippet.text.rstrip()}\n\n"
            size = self._count(written)
            if size <= left:
                taken.append((snippet, written))
                left -= size
            if perf_counter() > until:
                break
        return "".join(written for _, written in sorted(taken, key=lambda each: (each[0].path, each[0].line)))

    def _candidates(self, path: str, text: str, here: frozenset[str], until: float) -> Iterator[Snippet]:
        """The best first: definitions of imported names that stand here, places seen lately, similar ones."""
        for name in imported_names(text):
            if name in here:
                yield from self.index.definitions(name, outside=path)[:1]
        seen = [(jaccard(snippet.words, here), snippet) for snippet in self.ring if snippet.path != path]
        yield from (snippet for score, snippet in sorted(seen, key=lambda one: -one[0]) if score >= LEAST)
        yield from self.index.similar(here, outside=path, most=8, until=until)


def _apart(snippets: Iterable[Snippet], here: frozenset[str]) -> Iterator[Snippet]:
    """Those that do not say what stands here or in an earlier one."""
    earlier = [here]
    for snippet in snippets:
        if all(jaccard(snippet.words, words) <= HERE for words in earlier):
            earlier.append(snippet.words)
            yield snippet
