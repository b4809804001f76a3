"""The counts of a corpus, as `corpus.json` records them."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from cg2_training.corpus.collection import Collection, SourceSpec
from cg2_training.corpus.document import Split
from cg2ls.files import sha256_of

REPORT = "corpus.json"
"""File by which a folder is recognised as a corpus."""


class Kept(Protocol):
    """Facts of a kept document that are counted."""

    source: str
    licence: str
    size: int


@dataclass
class SourceReport:
    """Counts of one source: documents and bytes that were read and kept, and reasons for dropping the others.

    Attributes:
        licences: kept documents by licence.
        files: kept documents by split.
        bytes: kept UTF-8 bytes by split.
        dropped: documents by reason.
        redacted: changed documents by kind of replacement.
        split: "heldout" for a source that is held out as a whole.
        licence: default licence of the source.
    """

    content: str
    licences: dict[str, int] = field(default_factory=dict)
    read_files: int = 0
    read_bytes: int = 0
    files: dict[str, int] = field(default_factory=dict)
    bytes: dict[str, int] = field(default_factory=dict)
    dropped: Counter[str] = field(default_factory=Counter)
    redacted: Counter[str] = field(default_factory=Counter)
    split: Split = "train"
    licence: str = ""

    @classmethod
    def of(cls, spec: SourceSpec) -> SourceReport:
        """Return the report of a source before anything is read."""
        return cls(spec.content, split="heldout" if spec.is_held_out else "train", licence=spec.licence)

    def add(self, tally: Mapping[str, Any]) -> None:
        """Add the counts of one task."""
        self.read_files += tally["read_files"]
        self.read_bytes += tally["read_bytes"]
        self.dropped.update(tally["dropped"])
        self.redacted.update(tally["redacted"])

    def count(self, kept: Mapping[Split, Sequence[Kept]]) -> None:
        """Count the kept documents of this source."""
        self.files = {split: len(documents) for split, documents in kept.items()}
        self.bytes = {split: sum(one.size for one in documents) for split, documents in kept.items()}
        licences = Counter(one.licence for documents in kept.values() for one in documents)
        self.licences = dict(licences.most_common())


def corpus_report(
    collection: Collection, reports: Mapping[str, SourceReport], kept: Mapping[Split, Sequence[Kept]]
) -> dict[str, Any]:
    """Count the kept documents and return the content of `corpus.json`.

    Keys: `manifest` (name of the collection), `manifest_sha256`, `python_version` (of the interpreter that parsed
    the files), `benchmarks` (SHA-256 by name), `files` and `bytes` by split, `sources`. `dropped` and `redacted`
    are sums over the sources.
    """
    for name, report in reports.items():
        report.count(
            {split: [one for one in documents if one.source == name] for split, documents in kept.items()}
        )
    return {
        "manifest": collection.name,
        "manifest_sha256": collection.file_sha256 or collection.digest,
        "python_version": platform.python_version(),
        "benchmarks": {path.name: sha256_of(path) for path in collection.benchmarks},
        "files": {split: len(documents) for split, documents in kept.items()},
        "bytes": {split: sum(one.size for one in documents) for split, documents in kept.items()},
        "sources": {name: _source_entry(report, collection) for name, report in reports.items()},
        "dropped": _total(report.dropped for report in reports.values()),
        "redacted": _total(report.redacted for report in reports.values()),
    }


def explain_empty_corpus(reports: Iterable[SourceReport]) -> str:
    """Return a message with the most common reasons for dropping documents."""
    reports = list(reports)
    read = sum(report.read_files for report in reports)
    reasons = sum((report.dropped for report in reports), Counter[str]())
    if not reasons:
        return f"no documents are left to train on: {read} were read; name sources with code or text."
    common = ", ".join(f"{reason} {count}" for reason, count in reasons.most_common(3))
    remedy = (
        "; set a licence for files without one, or own for your own files" if "no licence" in reasons else ""
    )
    return f"no documents are left to train on: {read} were read and dropped for: {common}{remedy}."


def _source_entry(report: SourceReport, collection: Collection) -> dict[str, Any]:
    entry = {
        **vars(report),
        "dropped": dict(sorted(report.dropped.items())),
        "redacted": dict(report.redacted),
    }
    if collection.layout != "sources":
        # Each source is in one split as a whole, so its counts are plain numbers.
        return entry | {key: sum(entry[key].values()) for key in ("files", "bytes")}
    return entry | {"licence": ", ".join(report.licences)}


def _total(counts: Iterable[Counter[str]]) -> dict[str, int]:
    return dict(sorted(sum(counts, Counter[str]()).items()))
