"""From a manifest to the two files that training and evaluation read."""

import json
import os
import platform
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path

from tqdm import tqdm

from cg2_training.corpus.dedup import SeenTexts
from cg2_training.corpus.errors import CorpusError
from cg2_training.corpus.fetch import fetch_all
from cg2_training.corpus.harvest import Document, Harvest, Source, harvest
from cg2_training.corpus.licences import check
from cg2_training.corpus.manifest import Manifest, Split, load_manifest
from cg2_training.corpus.sources import STDLIB_LICENCE, read_metadata, stdlib_label
from cg2ls.files import write_atomically

_SPLITS: tuple[Split, ...] = ("heldout", "train")


@dataclass(frozen=True, slots=True)
class SourceCount:
    """What one source gave: Python files and bytes read, files and UTF-8 bytes kept."""

    split: Split
    licence: str
    read_files: int
    read_bytes: int
    files: int
    bytes: int


@dataclass(frozen=True, slots=True)
class CorpusReport:
    """What was built, as ``corpus.json`` records it.

    Attributes:
        manifest: name of the manifest file.
        manifest_sha256: hex digest of it.
        python_version: of the interpreter that parsed the files and gave the standard library.
        files: documents by split.
        bytes: UTF-8 bytes of text by split.
        sources: counts by ``name==version``.
        dropped: files left out, by reason.
    """

    manifest: str
    manifest_sha256: str
    python_version: str
    files: dict[str, int]
    bytes: dict[str, int]
    sources: dict[str, SourceCount]
    dropped: dict[str, int]


def build_corpus(
    manifest_path: Path, out: Path, *, cache: Path | None = None, progress: bool = True
) -> CorpusReport:
    """Fetch, check, clean and deduplicate everything that a manifest lists.

    Args:
        manifest_path: the TOML manifest.
        out: the folder for ``train.jsonl``, ``heldout.jsonl`` and ``corpus.json``; made when missing.
        cache: the folder to keep wheels in, ``cache`` beside `out` by default.
        progress: whether to show progress bars on standard error.

    Returns:
        The counts, which are also in ``corpus.json``.

    Raises:
        CorpusError: the manifest is wrong, an artifact cannot be had or is not the pinned one, or a
            licence is refused.
    """
    manifest = load_manifest(manifest_path)
    sources = _sources(manifest, cache or out.resolve().parent / "cache", progress)
    harvests = _harvest_all(sources, manifest, progress)
    dropped: Counter[str] = sum((h.dropped for h in harvests), Counter())
    kept = _unique(harvests, dropped, progress)
    report = CorpusReport(
        manifest=manifest_path.name,
        manifest_sha256=manifest.sha256,
        python_version=platform.python_version(),
        files={split: len(kept[split]) for split in _SPLITS},
        bytes={split: sum(d.size for d in kept[split]) for split in _SPLITS},
        sources=_counts(harvests, kept),
        dropped=dict(sorted(dropped.items())),
    )
    try:
        out.mkdir(parents=True, exist_ok=True)
        for split in _SPLITS:
            _write_lines(out / f"{split}.jsonl", kept[split])
        write_atomically(out / "corpus.json", json.dumps(asdict(report), indent=1) + "\n")
    except OSError as error:
        raise CorpusError(f"cannot write the corpus to {out}: {error}.") from error
    return report


def _sources(manifest: Manifest, cache: Path, progress: bool) -> list[Source]:
    with tqdm(total=len(manifest.packages), desc="fetch", unit="wheel", disable=not progress) as bar:
        wheels = fetch_all(manifest.packages, cache, lambda: bar.update())
    sources = []
    for package in manifest.packages:
        wheel = wheels[package.name]
        check(package.label, package.licence, *read_metadata(wheel))
        exclude = manifest.exclude + package.exclude
        sources.append(Source(package.label, package.licence, package.split, wheel, exclude))
    if manifest.stdlib:
        exclude = manifest.exclude + manifest.stdlib_exclude
        sources.append(Source(stdlib_label(), STDLIB_LICENCE, "train", None, exclude))
    return sources


def _harvest_all(sources: list[Source], manifest: Manifest, progress: bool) -> list[Harvest]:
    # The largest wheels first: the last process to finish then has little left.
    by_size = sorted(sources, key=lambda s: s.wheel.stat().st_size if s.wheel else 0, reverse=True)
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        futures = [pool.submit(harvest, source, manifest.limits) for source in by_size]
        finished = tqdm(
            as_completed(futures), total=len(futures), desc="clean", unit="source", disable=not progress
        )
        results = [future.result() for future in finished]
    return sorted(results, key=lambda result: result.source.label)


def _unique(harvests: list[Harvest], dropped: Counter[str], progress: bool) -> dict[Split, list[Document]]:
    seen = SeenTexts()
    kept: dict[Split, list[Document]] = {split: [] for split in _SPLITS}
    held_paths: set[str] = set()
    total = sum(len(h.documents) for h in harvests)
    with tqdm(total=total, desc="deduplicate", unit="file", disable=not progress) as bar:
        # Held-out files come first, so that it is the training copy of a shared text that goes.
        for split in _SPLITS:
            for result in (h for h in harvests if h.source.split == split):
                for document in result.documents:
                    bar.update()
                    if split == "train" and _copies_path(document.path, held_paths):
                        dropped["held-out path"] += 1
                        continue
                    reason = seen.repeats(document.key, document.minhash)
                    if reason:
                        dropped[reason] += 1
                        continue
                    kept[split].append(document)
                    if split == "heldout" and "/" in document.path:
                        held_paths.add(document.path)
    for documents in kept.values():
        documents.sort(key=lambda document: document.rank)
    return kept


def _copies_path(path: str, held: set[str]) -> bool:
    parts = path.split("/")
    return any("/".join(parts[start:]) in held for start in range(len(parts) - 1))


def _counts(harvests: list[Harvest], kept: dict[Split, list[Document]]) -> dict[str, SourceCount]:
    files: Counter[str] = Counter()
    size: Counter[str] = Counter()
    for document in (d for documents in kept.values() for d in documents):
        files[document.source] += 1
        size[document.source] += document.size
    return {
        h.source.label: SourceCount(
            h.source.split,
            h.source.licence,
            h.read_files,
            h.read_bytes,
            files[h.source.label],
            size[h.source.label],
        )
        for h in harvests
    }


def _write_lines(path: Path, documents: Iterable[Document]) -> None:
    """Streams documents to a file that appears whole; a corpus need not fit in memory as text twice."""
    scratch = path.with_name(path.name + ".tmp")
    with scratch.open("w", encoding="utf-8", newline="\n") as stream:
        for document in documents:
            line = {
                "text": document.text,
                "path": document.path,
                "source": document.source,
                "language": "python",
                "license": document.licence,
            }
            stream.write(json.dumps(line, ensure_ascii=False) + "\n")
    scratch.replace(path)
