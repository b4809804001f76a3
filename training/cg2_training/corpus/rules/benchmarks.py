"""Rule that drops documents with a benchmark's problem or a held-out text."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

from cg2_training.corpus.document import Dropped, SourceDocument
from cg2_training.errors import CorpusError

RUN_WORDS = 13
"""Words of a run that is compared, as for GPT-3 (Brown et al. 2020, arXiv 2005.14165)."""

MIN_SHARED_RUNS = 0.3
"""Minimum part of an item's runs in a document that counts as a copy.

Unrelated files often share single runs of thirteen words, such as imports and licence lines.
"""

ITEM_KEYS = (
    ("prompt", "canonical_solution"),
    ("text", "code"),
    ("eval_prompt", "ground_truth"),
    ("prompt", "ground_truth"),
    ("text",),
    ("content",),
)
"""Keys of an item that are compared together, in HumanEval, MBPP, SAFIM and corpus files."""

_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class BenchmarkIndex:
    """Index of the runs of words of all items.

    Attributes:
        items: numbers of the items that contain a run, by the run's digest.
        sizes: number of runs of each item.
    """

    items: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    sizes: tuple[int, ...] = ()

    @classmethod
    def from_texts(cls, texts: Iterable[str]) -> BenchmarkIndex:
        """Return the index of the given items."""
        items: defaultdict[int, list[int]] = defaultdict(list)
        sizes: list[int] = []
        for text in texts:
            runs = set(_runs(text))
            if runs:
                for run in runs:
                    items[run].append(len(sizes))
                sizes.append(len(runs))
        return cls({run: tuple(numbers) for run, numbers in items.items()}, tuple(sizes))

    def __call__(self, document: SourceDocument) -> SourceDocument | Dropped:
        """Drop a document that contains MIN_SHARED_RUNS of an item."""
        if not self.items:
            return document
        counts: Counter[int] = Counter()
        for run in set(_runs(document.text)):
            counts.update(self.items.get(run, ()))
        is_copy = any(count >= MIN_SHARED_RUNS * self.sizes[item] for item, count in counts.items())
        return Dropped("benchmark") if is_copy else document


def read_benchmark(path: Path) -> Iterator[str]:
    """Yield the items of a benchmark file in JSON lines.

    Raises:
        CorpusError: the file is missing, or a line is not an item in a known layout.
    """
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield _item(line, f"{path}, line {number}")
    except FileNotFoundError:
        raise CorpusError(f"the benchmark {path} does not exist.") from None
    except UnicodeDecodeError:
        raise CorpusError(f"the benchmark {path} is not UTF-8; convert it to JSON lines.") from None


def _item(line: str, where: str) -> str:
    try:
        row: Any = json.loads(line)
    except ValueError as error:
        raise CorpusError(f"{where}: not JSON ({error}).") from None
    if isinstance(row, dict):
        for keys in ITEM_KEYS:
            if all(isinstance(row.get(key), str) for key in keys):
                return "\n".join(row[key] for key in keys)
    known = ", or ".join(" and ".join(keys) for keys in ITEM_KEYS)
    raise CorpusError(f"{where}: not an item of a benchmark; an item has the keys {known}.")


def _runs(text: str) -> Iterator[int]:
    """Yield digests of all runs of RUN_WORDS words, or of a whole shorter text."""
    words = _WORD.findall(text.lower())
    for start in range(max(1, len(words) - RUN_WORDS + 1)):
        run = " ".join(words[start : start + RUN_WORDS])
        if run:
            yield int.from_bytes(blake2b(run.encode(), digest_size=8).digest(), "big")
