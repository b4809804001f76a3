"""The last stage: apply limits, split, remove copies and write the corpus."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Set
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import IO, Any

from tqdm import tqdm

from cg2_training.corpus.collection import Collection, Layout, SourceSpec
from cg2_training.corpus.dedup import SeenTexts, exact_key, signature
from cg2_training.corpus.document import Split
from cg2_training.corpus.report import REPORT, SourceReport, corpus_report, explain_empty_corpus
from cg2_training.corpus.rules.quality import is_test
from cg2_training.corpus.work import WorkFolder
from cg2_training.errors import CorpusError
from cg2ls.files import replacing_folder

SPLITS: tuple[Split, ...] = ("heldout", "train")


@dataclass(slots=True)
class Entry:
    """Position of a document in the tasks' files, and the digests that are compared.

    Attributes:
        rank: hex digest of path and text. Sorting by it shuffles reproducibly.
        place: number from 0 to 1 that decides whether the document is held out.
        file: number of the file that contains the document.
        start: first byte of the document in that file.
        size: UTF-8 bytes of its text.
        path: inside the source.
        key: digest for exact copies.
        minhash: signature for near copies.
    """

    source: str
    licence: str
    rank: str
    place: float
    file: int
    start: int
    size: int
    path: str
    key: bytes
    minhash: Any

    @property
    def is_test(self) -> bool:
        """Return whether the path belongs to a test."""
        return is_test(self.path)


def finish(
    collection: Collection, work: WorkFolder, out: Path, *, workers: int, progress: bool
) -> dict[str, Any]:
    """Turn the tasks' documents into a corpus folder and return the content of `corpus.json`.

    The order of the documents in a file depends only on the documents. Held-out texts are compared first, then
    the sources in their order, so a repeated text is dropped from training and from the later source.

    Args:
        collection: the sources.
        work: folder with the tasks' documents.
        out: replaced if it is a corpus.
        workers: processes that compute signatures; 0 for one per processor.
        progress: whether to draw a bar.

    Raises:
        CorpusError: no documents are left to train on.
        OutputError: `out` contains something other than a corpus.
    """
    paths = work.document_files()
    entries = _index_files(paths, workers or os.cpu_count() or 1, progress)
    reports = {spec.name: SourceReport.of(spec) for spec in collection.sources}
    for tally in work.read_tallies():
        for name, counts in tally.items():
            reports[name].add(counts)
    entries = _within_limits(collection, entries, reports)
    kept = _unique(collection, entries, reports, progress)
    if not kept["train"] and not all(spec.is_held_out for spec in collection.sources):
        raise CorpusError(explain_empty_corpus(reports.values()))
    report = corpus_report(collection, reports, kept)
    with _open_output(out, collection.layout) as new:
        for split, chosen in kept.items():
            _write(new, split, chosen, paths, collection)
        (new / REPORT).write_text(json.dumps(report, indent=1) + "\n")
    return report


@contextmanager
def _open_output(out: Path, layout: Layout) -> Iterator[Path]:
    """Yield a new folder whose files become the corpus if the block ends without an error.

    With the layout "splits" its files replace those of the same name; otherwise the folder replaces `out`.
    """
    if layout != "splits":
        with replacing_folder(out, proof=REPORT) as new:
            yield new
        return
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".corpus.", dir=out) as scratch:
        yield Path(scratch)
        for path in sorted(Path(scratch).iterdir()):
            path.replace(out / path.name)


def index_file(number: int, path: Path) -> list[Entry]:
    """Return an entry for each document of a task's file."""
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
                    _place(row.get("repository") or row["path"]),
                    number,
                    start,
                    len(text.encode()),
                    row["path"],
                    exact_key(text),
                    signature(text),
                )
            )
            start += len(line)
    return entries


def _place(name: str) -> float:
    """Return a number from 0 to 1 that depends only on the name, so new files change no other split."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:6], "big") / 2**48


def _index_files(paths: list[Path], workers: int, progress: bool) -> list[Entry]:
    with tqdm(total=len(paths), desc="compare", unit="file", disable=not progress) as bar:
        if workers <= 1:
            entries: list[Entry] = []
            for number, path in enumerate(paths):
                entries += index_file(number, path)
                bar.update()
            return entries
        with ProcessPoolExecutor(workers) as pool:
            entries = []
            for found in pool.map(index_file, range(len(paths)), paths):
                entries += found
                bar.update()
            return entries


def _within_limits(
    collection: Collection, entries: list[Entry], reports: Mapping[str, SourceReport]
) -> list[Entry]:
    by_source: dict[str, list[Entry]] = {spec.name: [] for spec in collection.sources}
    for entry in entries:
        by_source[entry.source].append(entry)
    return [
        entry
        for spec in collection.sources
        for entry in apply_source_limits(by_source[spec.name], spec, reports[spec.name].dropped)
    ]


def apply_source_limits(entries: Iterable[Entry], spec: SourceSpec, dropped: Counter[str]) -> list[Entry]:
    """Return the documents that fit in a source's limits, taken in the order of their ranks.

    Args:
        entries: documents of the source.
        spec: the source, with its limits.
        dropped: counts the other documents, by reason.
    """
    entries = sorted(entries, key=lambda entry: entry.rank)
    limit = sum(entry.size for entry in entries) if spec.max_bytes is None else spec.max_bytes
    share = spec.max_test_share
    code_bytes = min(limit, sum(entry.size for entry in entries if not entry.is_test))
    # The share is relative to the code that is kept, so a package of tests alone contributes nothing.
    test_limit = int(limit * share)
    if share < 1:
        test_limit = min(test_limit, int(code_bytes * share / (1 - share)))
    used = {True: 0, False: 0}
    kept = []
    for entry in entries:
        if entry.is_test and used[True] + entry.size > test_limit:
            dropped["over the share of tests"] += 1
        elif used[True] + used[False] + entry.size > limit:
            dropped["over the source's limit"] += 1
        else:
            used[entry.is_test] += entry.size
            kept.append(entry)
    return kept


def _unique(
    collection: Collection, entries: list[Entry], reports: Mapping[str, SourceReport], progress: bool
) -> dict[Split, list[Entry]]:
    shares = {spec.name: spec.heldout for spec in collection.sources}
    order = {spec.name: number for number, spec in enumerate(collection.sources)}
    shares = {name: _share_with_heldout(share, entries, name) for name, share in shares.items()}
    split_of = {id(entry): SPLITS[entry.place >= shares[entry.source]] for entry in entries}
    entries.sort(key=lambda entry: (SPLITS.index(split_of[id(entry)]), order[entry.source], entry.rank))
    seen = SeenTexts()
    held_out_sources = {spec.name for spec in collection.sources if spec.is_held_out}
    held_out_paths: set[str] = set()
    kept: dict[Split, list[Entry]] = {split: [] for split in SPLITS}
    for entry in tqdm(entries, desc="deduplicate", unit="document", disable=not progress):
        split = split_of[id(entry)]
        if split == "train" and _copies_path(entry.path, held_out_paths):
            reports[entry.source].dropped["held-out path"] += 1
        elif reason := seen.repeats(entry.key, entry.minhash):
            reports[entry.source].dropped[reason] += 1
        else:
            kept[split].append(entry)
            if entry.source in held_out_sources and "/" in entry.path:
                held_out_paths.add(entry.path)
    return kept


def _share_with_heldout(share: float, entries: Iterable[Entry], source: str) -> float:
    """Return the held-out share, raised for a small source that would otherwise have no held-out document.

    A source whose documents all have one place, such as a dump of one repository, cannot be split.
    """
    mine = sorted((entry for entry in entries if entry.source == source), key=lambda entry: entry.place)
    if not share or not mine or mine[0].place < share:
        return share
    min_bytes, heldout_bytes = share * sum(entry.size for entry in mine), 0
    for entry, following in pairwise(mine):
        heldout_bytes += entry.size
        if heldout_bytes >= min_bytes and following.place > entry.place:
            return following.place
    return share


def _copies_path(path: str, held_out_paths: Set[str]) -> bool:
    """Return whether a path ends in a held-out one, as in a package that bundles a held-out package."""
    parts = path.split("/")
    return any("/".join(parts[start:]) in held_out_paths for start in range(len(parts) - 1))


def _write(
    folder: Path, split: Split, entries: list[Entry], paths: list[Path], collection: Collection
) -> None:
    """Copy each document's line to its corpus file, without keeping texts in memory."""
    layout = collection.layout
    content = {spec.name: spec.content for spec in collection.sources}
    with ExitStack() as stack:
        sources: list[IO[bytes]] = [stack.enter_context(path.open("rb")) for path in paths]
        files: dict[Path, IO[bytes]] = {}

        def corpus_file(path: Path) -> IO[bytes]:
            if path not in files:
                path.parent.mkdir(exist_ok=True)
                files[path] = stack.enter_context(path.open("wb"))
            return files[path]

        if layout == "splits":
            corpus_file(folder / f"{split}.jsonl")
        for entry in sorted(entries, key=lambda entry: entry.rank):
            source = sources[entry.file]
            source.seek(entry.start)
            parent = folder
            if layout != "splits":
                parent /= entry.source if layout == "sources" else content[entry.source]
            corpus_file(parent / f"{split}.jsonl").write(source.readline())
