"""The corpus as steps of a datatrove pipeline: read, clean, write; then finish.

Each task reads its share of the sources and writes its share of the documents; nothing in a document depends on
which task had it. The same steps run under datatrove's local, Slurm and Ray executors.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from datatrove.data import Document, DocumentsPipeline
from datatrove.pipeline.base import PipelineStep
from loguru import logger

from cg2_training.corpus.collection import Collection, SourceSpec
from cg2_training.corpus.draft import Dropped, SourceDocument
from cg2_training.corpus.finish import finish
from cg2_training.corpus.licence_files import licence_at
from cg2_training.corpus.readers import Place, read
from cg2_training.corpus.rules import Rule
from cg2_training.corpus.rules.benchmarks import Benchmarks, benchmark_texts
from cg2_training.corpus.rules.decoding import decoded
from cg2_training.corpus.rules.language import LanguageRule
from cg2_training.corpus.rules.licence import LicenceRule
from cg2_training.corpus.rules.personal import without_personal_data
from cg2_training.corpus.rules.quality import python_parses, sized, written_by_people
from cg2_training.corpus.rules.secrets import without_secrets
from cg2_training.corpus.work import Work
from cg2ls.files import write_atomically

QUIET = "CG2_TRAIN_QUIET_TASKS"
"""Set for local tasks: datatrove's log would run through the progress bar. It must be looked at on import, since a
task's process logs before any step of it runs."""

if os.environ.get(QUIET):
    logger.disable("datatrove")

PULSE = 0.5
"""Seconds between two notes of how far a task is."""


@dataclass(frozen=True)
class Share:
    """What one task reads of one place: every `parts`-th document, from number `part` on."""

    spec: SourceSpec
    place: Place
    part: int
    parts: int


def shares(collection: Collection, rank: int, world: int) -> list[Share]:
    """What one of `world` tasks reads.

    Places are dealt out one by one where there are enough of them, and otherwise read by several tasks.
    """
    places = [(spec, place) for spec in collection.sources for place in spec.places()]
    parts = max(1, -(-world // max(1, len(places))))
    pieces = [Share(spec, place, part, parts) for spec, place in places for part in range(parts)]
    return pieces[rank::world]


class ReadSources(PipelineStep):  # type: ignore[misc]
    """Yields the documents of a collection; what a reader leaves out comes as an empty document with its reason."""

    name = "sources"
    type = "READER"

    def __init__(self, collection: Collection, work: Work) -> None:
        super().__init__()
        self.collection, self.work = collection, work

    def run(self, data: DocumentsPipeline = None, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """The share of one task, after whatever an earlier step gives."""
        yield from data or ()
        pieces = shares(self.collection, rank, world_size)
        pulse = Pulse(self.work.progress(rank), len(pieces))
        for piece in pieces:
            spec = piece.spec
            licence = spec.licence or licence_at(piece.place, spec.commit)
            found = read(piece.place, spec.wants, columns=spec.columns, commit=spec.commit, done=pulse.within)
            for number, draft in enumerate(found):
                if number % piece.parts == piece.part:
                    yield self._document(draft, spec, licence)
            pulse.next()

    def _document(self, draft: SourceDocument | Dropped, spec: SourceSpec, licence: str) -> Document:
        size = len(draft.data) if isinstance(draft, SourceDocument) else 0
        text = decoded(draft) if isinstance(draft, SourceDocument) else draft
        self.stat_update("documents")
        if isinstance(text, Dropped):
            facts = {"source": spec.name, "dropped": text.reason, "size": size}
            return Document(text="", id="", metadata=facts)
        return Document(
            text=text.text,
            id=text.path,
            metadata={
                "source": spec.name,
                "content": spec.content,
                "language": text.language,
                "licences": text.licences or ((licence,) if licence else ()),
                "repository": text.repository,
                "size": size,
            },
        )


class Pulse:
    """Notes in a file, now and then, which part of a task is done."""

    def __init__(self, path: Path, pieces: int) -> None:
        self._path, self._pieces = path, pieces
        self._done, self._last = 0, 0.0

    def within(self, share: float) -> None:
        """Notes how far the piece in hand is, 0 to 1."""
        if time.monotonic() - self._last > PULSE:
            self._last = time.monotonic()
            self._path.write_text(f"{(self._done + share) / self._pieces:.4f}")

    def next(self) -> None:
        """Notes that a piece is done."""
        self._done += 1
        self._last = 0.0
        self.within(0.0)


@dataclass
class Tally:
    """What became of one source's documents in one task."""

    read_files: int = 0
    read_bytes: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    redacted: Counter[str] = field(default_factory=Counter)


class CleanDocuments(PipelineStep):  # type: ignore[misc]
    """Applies the rules, and counts what they leave out and what they redact, by source."""

    name = "rules"
    type = "FILTER"

    def __init__(self, collection: Collection, work: Work) -> None:
        super().__init__()
        self.collection, self.work = collection, work

    def run(self, data: DocumentsPipeline = None, rank: int = 0, _world: int = 1) -> Iterator[Document]:
        """The documents that every rule lets pass."""
        rules = {spec.name: rules_for(spec) for spec in self.collection.sources}
        benchmarks = Benchmarks.of(
            text for path in self.collection.benchmarks for text in benchmark_texts(path)
        )
        tallies: dict[str, Tally] = {}
        for document in data or ():
            tally = tallies.setdefault(document.metadata["source"], Tally())
            tally.read_files += 1
            tally.read_bytes += document.metadata["size"]
            result = self._passed(document, [*rules[document.metadata["source"]], benchmarks], tally)
            if isinstance(result, Dropped):
                tally.dropped[result.reason] += 1
                self.stat_update(result.reason)
            else:
                yield result
        notes = {name: vars(tally) for name, tally in tallies.items()}
        write_atomically(self.work.tally(rank), json.dumps(notes))

    def _passed(self, document: Document, rules: list[Rule], tally: Tally) -> Document | Dropped:
        facts = document.metadata
        if "dropped" in facts:
            return Dropped(facts["dropped"])
        draft = SourceDocument(
            document.text,
            document.id,
            facts["source"],
            facts["content"],
            facts["language"],
            tuple(facts["licences"]),
            facts["repository"],
        )
        for rule in rules:
            result = rule(draft)
            if isinstance(result, Dropped):
                return result
            if what := next((name for name, redaction in REDACTIONS.items() if redaction is rule), ""):
                tally.redacted[what] += result.data != draft.data
            draft = result
        changed = {"language": draft.language, "licences": draft.licences}
        return Document(text=draft.text, id=draft.path, metadata=facts | changed)


REDACTIONS: dict[str, Rule] = {"secrets": without_secrets, "personal data": without_personal_data}
"""Rules that change a text, by what they are called in the report."""


def rules_for(spec: SourceSpec) -> list[Rule]:
    """The rules of one source, the cheap ones first."""
    return [
        sized,
        LanguageRule(spec.languages),
        LicenceRule(spec.licence),
        written_by_people,
        python_parses,
        without_secrets,
        without_personal_data,
        python_parses,
        sized,
    ]


class WriteShare(PipelineStep):  # type: ignore[misc]
    """Writes a task's documents to a file that appears whole."""

    name = "share"
    type = "WRITER"

    def __init__(self, work: Work) -> None:
        super().__init__()
        self.work = work

    def run(self, data: DocumentsPipeline = None, rank: int = 0, _world: int = 1) -> Iterator[Document]:
        """The same documents, written."""
        path = self.work.share(rank)
        scratch = path.with_suffix(".tmp")
        with scratch.open("w", encoding="utf-8", newline="\n") as lines:
            for document in data or ():
                facts = document.metadata
                line = {
                    "text": document.text,
                    "path": document.id,
                    "source": facts["source"],
                    "language": facts["language"],
                    "license": " AND ".join(facts["licences"]),
                    "repository": facts["repository"],
                }
                lines.write(json.dumps(line, ensure_ascii=False) + "\n")
                self.stat_update("documents")
                yield document
        scratch.replace(path)


class Finish(PipelineStep):  # type: ignore[misc]
    """The second stage, one task: copies go, the rest is split and written; see `finish`."""

    name = "finish"
    type = "WRITER"

    def __init__(self, collection: Collection, work: Work, out: Path, workers: int, progress: bool) -> None:
        super().__init__()
        self.collection, self.work, self.out = collection, work, out
        self.workers, self.progress = workers, progress

    def run(self, data: DocumentsPipeline = None, _rank: int = 0, _world: int = 1) -> Iterator[Document]:
        """Nothing; the corpus is written."""
        finish(self.collection, self.work, self.out, workers=self.workers, progress=self.progress)
        yield from data or ()
