"""Places the user looked at or edited lately, as llama.vim's ring of chunks keeps them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from cg2ls.retrieval.context.snippet import LINES, Snippet, jaccard

PLACES = 16
SAME = 0.9
"""Snippets that have so much in common are one place, seen at different times."""


class Ring:
    """The last places, the newest first. May be read while another thread adds to it."""

    def __init__(self) -> None:
        self._seen: deque[Snippet] = deque(maxlen=PLACES)

    def see(self, path: str, text: str, offset: int) -> None:
        """Takes the lines around a place in; older snippets that say the same are let go.

        Args:
            path: of the document, relative to the workspace.
            text: of it.
            offset: of the place, in characters.
        """
        first = text.count("\n", 0, offset) // (LINES // 2) * (LINES // 2) - LINES // 4
        lines = text.split("\n")
        first = max(0, min(first, len(lines) - LINES))
        snippet = Snippet(path, first, "\n".join(lines[first : first + LINES]) + "\n")
        if snippet.words:
            kept = [
                seen
                for seen in self._seen
                if (seen.path, seen.line) != (path, first) and jaccard(seen.words, snippet.words) <= SAME
            ]
            self._seen = deque([snippet, *kept], maxlen=PLACES)

    def __iter__(self) -> Iterator[Snippet]:
        return iter(tuple(self._seen))
