"""Documents that hold a benchmark's problem, or a held-out text, are left out."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

from cg2_training.corpus.draft import Dropped, SourceDocument
from cg2_training.corpus.errors import CorpusError

WORDS = 13
"""Words of a run that is compared, as in GPT-3's search (Brown et al. 2020, arXiv 2005.14165)."""

SHARE = 0.3
"""Part of an item's runs that a document must hold to count as a copy of it: single runs of thirteen words, such as
imports and licence lines, are common to files that have nothing to do with each other."""

FIELDS = (
    ("prompt", "canonical_solution"),
    ("text", "code"),
    ("eval_prompt", "ground_truth"),
    ("prompt", "ground_truth"),
    ("text",),
    ("content",),
)
"""Keys of an item that are compared together: HumanEval's, MBPP's, SAFIM's, and a corpus file's own."""

_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Benchmarks:
    """The runs of words of all items.

    Attributes:
        items: by the digest of a run, the items that have it.
        sizes: runs of each item.
    """

    items: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    sizes: tuple[int, ...] = ()

    @classmethod
    def of(cls, texts: Iterable[str]) -> Benchmarks:
        """The index of some items."""
        items: defaultdict[int, list[int]] = defaultdict(list)
        sizes: list[int] = []
        for text in texts:
            runs = set(_runs(text))
            if runs:
                for run in runs:
                    items[run].append(len(sizes))
                sizes.append(len(runs))
        return cls({run: tuple(numbers) for run, numbers in items.items()}, tuple(sizes))

    def __call__(self, draft: SourceDocument) -> SourceDocument | Dropped:
        """The draft, unless it holds SHARE of an item."""
        if not self.items:
            return draft
        counts: Counter[int] = Counter()
        for run in set(_runs(draft.text)):
            counts.update(self.items.get(run, ()))
        held = any(count >= SHARE * self.sizes[item] for item, count in counts.items())
        return Dropped("benchmark") if held else draft


def benchmark_texts(path: Path) -> Iterator[str]:
    """The items of a benchmark file in JSON lines.

    Raises:
        CorpusError: the file is missing, or a line is no item of a known layout.
    """
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield _item(line, f"{path}, line {number}")
    except FileNotFoundError:
        raise CorpusError(f"the benchmark {path} does not exist.") from None
    except UnicodeDecodeError:
        raise CorpusError(f"the benchmark {path} is no text; give it as JSON lines.") from None


def _item(line: str, where: str) -> str:
    try:
        row: Any = json.loads(line)
    except ValueError as error:
        raise CorpusError(f"{where}: not JSON ({error}).") from None
    if isinstance(row, dict):
        for keys in FIELDS:
            if all(isinstance(row.get(key), str) for key in keys):
                return "\n".join(row[key] for key in keys)
    known = "; ".join(" and ".join(keys) for keys in FIELDS)
    raise CorpusError(f"{where}: not an item of a benchmark; it needs one of these sets of keys: {known}.")


def _runs(text: str) -> Iterator[int]:
    """Digests of all runs of WORDS words; of a shorter text, of the whole."""
    words = _WORD.findall(text.lower())
    for start in range(max(1, len(words) - WORDS + 1)):
        run = " ".join(words[start : start + WORDS])
        if run:
            yield int.from_bytes(blake2b(run.encode(), digest_size=8).digest(), "big")
