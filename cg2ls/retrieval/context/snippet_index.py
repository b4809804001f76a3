"""Index of a workspace's snippets, searched by their words and by the names they define."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from time import perf_counter

from cg2ls.retrieval.context.snippet import SNIPPET_LINES, Snippet, snippets_of

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
            words: to compare with; rare ones count more.
            outside: a file to leave out.
            max_snippets: length of the answer at most.
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
