"""Places that the user viewed or edited lately, kept like llama.vim's ring of chunks."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from cg2ls.retrieval.context.snippet import SNIPPET_LINES, Snippet, jaccard

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
            path: of the document, relative to the workspace.
            text: of the document.
            offset: of the place, in characters.
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
