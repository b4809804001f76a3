"""Turning one source into clean documents; the work that one process does alone."""

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cg2_training.corpus.dedup import exact_key, signature
from cg2_training.corpus.filters import clean, is_test
from cg2_training.corpus.manifest import Limits, Split
from cg2_training.corpus.sources import stdlib_files, wheel_files


@dataclass(frozen=True, slots=True)
class Source:
    """One place that files come from.

    Attributes:
        label: ``name==version``.
        licence: SPDX expression of its files.
        wheel: the artifact, or None for the running interpreter's standard library.
        exclude: globs of paths that are left out.
    """

    label: str
    licence: str
    split: Split
    wheel: Path | None
    exclude: tuple[str, ...]


@dataclass(slots=True)
class Document:
    """One clean file.

    Attributes:
        key: digest for exact copies.
        minhash: signature for near copies.
    """

    text: str
    path: str
    source: str
    licence: str
    key: bytes
    minhash: Any

    @property
    def rank(self) -> str:
        """A hex digest of path and text: sorting by it shuffles, the same way every time."""
        return hashlib.sha256(f"{self.path}\0{self.text}".encode()).hexdigest()

    @property
    def size(self) -> int:
        """UTF-8 bytes of the text."""
        return len(self.text.encode())


@dataclass(slots=True)
class Harvest:
    """What one source gave.

    Attributes:
        read_files: Python files read, after the path exclusions.
        read_bytes: their bytes.
        dropped: files by reason for dropping them.
    """

    source: Source
    documents: list[Document] = field(default_factory=list)
    read_files: int = 0
    read_bytes: int = 0
    dropped: Counter[str] = field(default_factory=Counter)


def harvest(source: Source, limits: Limits) -> Harvest:
    """Read, clean and bound one source.

    Args:
        source: where the files come from.
        limits: how many bytes the source may give; which files stay depends on their digests alone.

    Returns:
        The documents, in the order of their digests, and the counts.
    """
    result = Harvest(source)
    files = wheel_files(source.wheel, source.exclude) if source.wheel else stdlib_files(source.exclude)
    candidates: list[tuple[str, str]] = []
    for path, data in files:
        result.read_files += 1
        result.read_bytes += len(data)
        text, reason = clean(data)
        if reason:
            result.dropped[reason] += 1
        else:
            candidates.append((path, text))
    candidates.sort(key=lambda item: hashlib.sha256("\0".join(item).encode()).digest())
    for path, text in _within(candidates, limits, result.dropped):
        document = Document(text, path, source.label, source.licence, exact_key(text), signature(text))
        result.documents.append(document)
    return result


def _within(
    candidates: list[tuple[str, str]], limits: Limits, dropped: Counter[str]
) -> list[tuple[str, str]]:
    code_bytes = sum(len(text.encode()) for path, text in candidates if not is_test(path))
    # Tests are measured against what they may share with, so that a package of tests alone gives none.
    code_bytes = min(code_bytes, limits.source_bytes)
    share = limits.test_share
    for_tests = int(code_bytes * share / (1 - share)) if share < 1 else limits.source_bytes
    left = {True: min(for_tests, int(limits.source_bytes * share)), False: limits.source_bytes}
    used = 0
    kept = []
    for path, text in candidates:
        test = is_test(path)
        size = len(text.encode())
        if size > left[test]:
            dropped["over the share of tests" if test else "over the source's limit"] += 1
            continue
        if used + size > limits.source_bytes:
            dropped["over the source's limit"] += 1
            continue
        left[test] -= size
        used += size
        kept.append((path, text))
    return kept
