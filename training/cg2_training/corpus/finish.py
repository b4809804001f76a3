"""The last stage: what is held out is settled, copies go, and each source's documents are written."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections import Counter
from collections.abc import Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import IO, Any

from tqdm import tqdm

from cg2_training.corpus.collection import Collection
from cg2_training.corpus.dedup import SeenTexts, exact_key, signature
from cg2_training.corpus.errors import CorpusError
from cg2_training.corpus.manifest import Split
from cg2_training.corpus.work import Work
from cg2ls.files import replacing_folder, sha256_of

REPORT = "corpus.json"
SPLITS: tuple[Split, ...] = ("heldout", "train")


@dataclass(slots=True)
class Entry:
    """Where a document lies, and what is compared of it.

    Attributes:
        rank: hex digest of path and text: sorting by it shuffles, the same way every time.
        place: what decides whether it is held out, 0 to 1.
        share: number of the file it lies in.
        start: its first byte there.
        size: UTF-8 bytes of its text.
    """

    source: str
    licence: str
    rank: str
    place: float
    share: int
    start: int
    size: int
    key: bytes
    minhash: Any


@dataclass
class SourceReport:
    """What one source gave: documents and bytes read, kept by split, and why the others were not."""

    content: str
    licences: dict[str, int] = field(default_factory=dict)
    read_files: int = 0
    read_bytes: int = 0
    files: dict[str, int] = field(default_factory=dict)
    bytes: dict[str, int] = field(default_factory=dict)
    dropped: dict[str, int] = field(default_factory=dict)
    redacted: dict[str, int] = field(default_factory=dict)
    split: Split = "train"
    licence: str = ""


@dataclass
class CollectReport:
    """What was collected, as ``corpus.json`` records it.

    Attributes:
        manifest: name of the collection.
        manifest_sha256: hex digest of what it says.
        python_version: of the interpreter that parsed the files.
        benchmarks: hex SHA-256 by name of each benchmark that the corpus was kept clear of.
        files: documents by split.
        bytes: UTF-8 bytes of text by split.
        sources: counts by source.
        dropped: documents left out, by reason.
        redacted: documents in which something was replaced, by what.
    """

    manifest: str
    manifest_sha256: str
    python_version: str
    benchmarks: dict[str, str]
    files: dict[str, int]
    bytes: dict[str, int]
    sources: dict[str, SourceReport]
    dropped: dict[str, int]
    redacted: dict[str, int]


def finish(collection: Collection, work: Work, out: Path, *, workers: int, progress: bool) -> CollectReport:
    """Turns the tasks' shares into a corpus folder.

    `out`/SOURCE/train.jsonl and heldout.jsonl hold the documents in an order that only they decide;
    `out`/corpus.json counts them. A text that repeats another goes: held-out texts are looked at first, so that
    it is the training copy, and the copy of a later source, that is left out.

    Args:
        collection: what was collected.
        work: where the shares are.
        out: replaced if it is a corpus.
        workers: processes that compute signatures; as many as the machine has processors if 0.
        progress: whether to draw a bar.

    Raises:
        CorpusError: nothing is left to train on.
        OutputError: `out` holds something else.
    """
    paths = work.shares()
    entries = _indexed(paths, workers or os.cpu_count() or 1, progress)
    reports = {spec.name: SourceReport(spec.content) for spec in collection.sources}
    _add_tallies(reports, work.tallies())
    kept = _unique(collection, entries, reports, progress)
    if not kept["train"]:
        raise CorpusError(_nothing_left(list(reports.values())))
    report = _report(collection, reports, kept)
    with replacing_folder(out, proof=REPORT) as new:
        for split, chosen in kept.items():
            _write(new, split, chosen, paths)
        (new / REPORT).write_text(json.dumps(asdict(report), indent=1) + "\n")
    return report


def index_share(number: int, path: Path) -> list[Entry]:
    """What is compared of each document in a share."""
    entries, start = [], 0
    with path.open("rb") as lines:
        for line in lines:
            row = json.loads(line)
            text = row["text"]
            rank = hashlib.sha256(f"{row['path']}\0{text}".encode()).hexdigest()
            entries.append(
                Entry(
                    row["source"],
                    row["license"],
                    rank,
                    _place(row["repository"] or row["path"]),
                    number,
                    start,
                    len(text.encode()),
                    exact_key(text),
                    signature(text),
                )
            )
            start += len(line)
    return entries


def _place(name: str) -> float:
    """A number between 0 and 1 that only the name decides, so that a file stays on its side as others come."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:6], "big") / 2**48


def _indexed(paths: list[Path], workers: int, progress: bool) -> list[Entry]:
    with tqdm(total=len(paths), desc="compare", unit="share", disable=not progress) as bar:
        if workers <= 1:
            entries: list[Entry] = []
            for number, path in enumerate(paths):
                entries += index_share(number, path)
                bar.update()
            return entries
        with ProcessPoolExecutor(workers) as pool:
            found = []
            for some in pool.map(index_share, range(len(paths)), paths):
                found += some
                bar.update()
            return found


def _add_tallies(
    reports: Mapping[str, SourceReport], tallies: Iterable[Mapping[str, Mapping[str, Any]]]
) -> None:
    for tally in tallies:
        for name, counts in tally.items():
            one = reports[name]
            one.read_files += counts["read_files"]
            one.read_bytes += counts["read_bytes"]
            one.dropped = dict(Counter(one.dropped) + Counter(counts["dropped"]))
            one.redacted = dict(Counter(one.redacted) + Counter(counts["redacted"]))


def _unique(
    collection: Collection, entries: list[Entry], reports: Mapping[str, SourceReport], progress: bool
) -> dict[Split, list[Entry]]:
    shares = {spec.name: spec.heldout for spec in collection.sources}
    order = {spec.name: number for number, spec in enumerate(collection.sources)}
    shares = {name: _reaching(share, entries, name) for name, share in shares.items()}
    split_of = {id(entry): SPLITS[entry.place >= shares[entry.source]] for entry in entries}
    entries.sort(key=lambda entry: (SPLITS.index(split_of[id(entry)]), order[entry.source], entry.rank))
    seen = SeenTexts()
    kept: dict[Split, list[Entry]] = {split: [] for split in SPLITS}
    for entry in tqdm(entries, desc="deduplicate", unit="document", disable=not progress):
        if reason := seen.repeats(entry.key, entry.minhash):
            dropped = reports[entry.source].dropped
            dropped[reason] = dropped.get(reason, 0) + 1
        else:
            kept[split_of[id(entry)]].append(entry)
    return kept


def _reaching(share: float, entries: Iterable[Entry], source: str) -> float:
    """The share, raised where it would hold nothing of a small source out, to what holds about as much out.

    A source whose documents all have one place, such as a dump of one repository, cannot be divided.
    """
    mine = sorted((entry for entry in entries if entry.source == source), key=lambda entry: entry.place)
    if not share or not mine or mine[0].place < share:
        return share
    wanted, held = share * sum(entry.size for entry in mine), 0
    for entry, behind in pairwise(mine):
        held += entry.size
        if held >= wanted and behind.place > entry.place:
            return behind.place
    return share


def _nothing_left(reports: list[SourceReport]) -> str:
    """Why there is no corpus, with the reasons that most documents were left out for."""
    read = sum(one.read_files for one in reports)
    reasons = sum((Counter(one.dropped) for one in reports), Counter())
    if not reasons:
        return f"nothing is left to train on: {read} documents were read; name sources with code or text."
    most = ", ".join(f"{reason} {count}" for reason, count in reasons.most_common(3))
    mend = "; give the licence of what says none, or own if it is yours" if "no licence" in reasons else ""
    return f"nothing is left to train on: {read} documents were read, and left out for: {most}{mend}."


def _report(
    collection: Collection, reports: dict[str, SourceReport], kept: Mapping[Split, list[Entry]]
) -> CollectReport:
    for name, one in reports.items():
        mine = {
            split: [entry for entry in entries if entry.source == name] for split, entries in kept.items()
        }
        one.files = {split: len(entries) for split, entries in mine.items()}
        one.bytes = {split: sum(entry.size for entry in entries) for split, entries in mine.items()}
        one.licences = dict(
            Counter(entry.licence for entries in mine.values() for entry in entries).most_common()
        )
        one.licence = ", ".join(one.licences)
        one.dropped = dict(sorted(one.dropped.items()))
    total = list(reports.values())
    return CollectReport(
        manifest=collection.name,
        manifest_sha256=collection.digest,
        python_version=platform.python_version(),
        benchmarks={path.name: sha256_of(path) for path in collection.benchmarks},
        files={split: len(entries) for split, entries in kept.items()},
        bytes={split: sum(entry.size for entry in entries) for split, entries in kept.items()},
        sources=reports,
        dropped=dict(sum((Counter(one.dropped) for one in total), Counter())),
        redacted=dict(sum((Counter(one.redacted) for one in total), Counter())),
    )


def _write(folder: Path, split: Split, entries: list[Entry], paths: list[Path]) -> None:
    """Copies each document's line to the file of its source, without holding texts in memory."""
    with ExitStack() as stack:
        shares: list[IO[bytes]] = [stack.enter_context(path.open("rb")) for path in paths]
        files: dict[str, IO[bytes]] = {}
        for entry in sorted(entries, key=lambda entry: entry.rank):
            if entry.source not in files:
                (folder / entry.source).mkdir(exist_ok=True)
                path = folder / entry.source / f"{split}.jsonl"
                files[entry.source] = stack.enter_context(path.open("wb"))
            share = shares[entry.share]
            share.seek(entry.start)
            files[entry.source].write(share.readline())
