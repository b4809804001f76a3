"""All snippets of a workspace's files, found by the words they have and by the names they define."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from time import perf_counter

from cg2ls.retrieval.context.snippet import LINES, Snippet, snippets_of

SATURATION = 1.2
LENGTH = 0.75
"""k1 and b of BM25 (Robertson and Zaragoza 2009); every word counts once in a snippet."""

COMMON = 0.2
"""A word in so large a share of all snippets tells nothing."""

DEFINITION = re.compile(
    r"^[ \t]*(?:export[ \t]+)?(?:async[ \t]+)?(?:def|class|function|interface|struct|enum|trait|fn|func)[ \t]+(\w+)",
    re.MULTILINE,
)
DEFINED_LINES = LINES // 2


class Index:
    """Snippets by file.

    Made in the background and then only read.
    """

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
        """Where a name is defined, in files other than `outside`."""
        return [snippet for snippet in self._defined.get(name, ()) if snippet.path != outside]

    def similar(self, words: Iterable[str], *, outside: str, most: int, until: float) -> list[Snippet]:
        """The snippets that have most of some words in common, by BM25.

        Args:
            words: rare ones count more.
            outside: a file whose snippets do not count.
            most: how many there may be.
            until: when to answer with what was found so far, on `perf_counter`'s clock.
        """
        scores: defaultdict[int, float] = defaultdict(float)
        known = sorted((len(self._with[word]), word) for word in set(words) if word in self._with)
        for count, word in known:
            if count > max(2, COMMON * len(self._snippets)) or perf_counter() > until:
                break
            rarity = math.log(1 + (len(self._snippets) - count + 0.5) / (count + 0.5))
            for number in self._with[word]:
                length = len(self._snippets[number].words) / self._mean
                scores[number] += (
                    rarity * (SATURATION + 1) / (1 + SATURATION * (1 - LENGTH + LENGTH * length))
                )
        ranked = sorted(scores, key=lambda number: (-scores[number], number))
        found = (self._snippets[number] for number in ranked)
        return [snippet for snippet in found if snippet.path != outside][:most]

    def _add(self, path: str, text: str) -> None:
        for snippet in snippets_of(path, text):
            for word in snippet.words:
                self._with[word].append(len(self._snippets))
            self._snippets.append(snippet)
        for found in DEFINITION.finditer(text):
            line = text.count("\n", 0, found.start(1))
            lines = text.split("\n", line + DEFINED_LINES)[line : line + DEFINED_LINES]
            self._defined[found.group(1)].append(Snippet(path, line, "\n".join(lines) + "\n"))
