"""The corpus as steps of a datatrove pipeline: read, clean and write in many tasks, then finish in one.

Each task reads a part of the sources and writes its documents. No document depends on which task read it.
The same steps run under datatrove's local, Slurm and Ray executors.
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

from cg2_training.corpus.cleaning import clean, rules_for
from cg2_training.corpus.collection import Collection, SourceSpec
from cg2_training.corpus.document import Dropped, SourceDocument
from cg2_training.corpus.finish import finish
from cg2_training.corpus.readers import Place, read
from cg2_training.corpus.readers.reading import find_licence
from cg2_training.corpus.rules import Rule
from cg2_training.corpus.rules.benchmarks import BenchmarkIndex, read_benchmark
from cg2_training.corpus.rules.quality import decode_text
from cg2_training.corpus.work import WorkFolder
from cg2ls.files import write_atomically

QUIET_TASKS_VARIABLE = "CG2_TRAIN_QUIET_TASKS"
"""Environment variable that silences datatrove's log, which would break the progress bar.

It is read on import, because a task's process logs before any of its steps run.
"""

if os.environ.get(QUIET_TASKS_VARIABLE):
    logger.disable("datatrove")

PROGRESS_INTERVAL_SECONDS = 0.5
"""Minimum time between two writes of a task's progress."""


@dataclass(frozen=True)
class PlacePart:
    """The part of one place that one task reads: every `parts`-th document, from number `part` on."""

    spec: SourceSpec
    place: Place
    part: int
    parts: int


def parts_of_task(collection: Collection, rank: int, world: int) -> list[PlacePart]:
    """Return the parts that task number `rank` of `world` tasks reads.

    Each place has one reader if there are at least as many places as tasks; otherwise several tasks read one place.
    """
    places = [(spec, place) for spec in collection.sources for place in spec.places()]
    parts = max(1, -(-world // max(1, len(places))))
    return [PlacePart(spec, place, part, parts) for spec, place in places for part in range(parts)][
        rank::world
    ]


class ReadSources(PipelineStep):  # type: ignore[misc]
    """Reader of a collection's documents; a dropped document is passed on without text, with its reason."""

    name = "sources"
    type = "READER"

    def __init__(self, collection: Collection, work: WorkFolder) -> None:
        super().__init__()
        self.collection, self.work = collection, work

    def run(self, data: DocumentsPipeline = None, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """Yield the documents of an earlier step, then those that this task reads."""
        yield from data or ()
        parts = parts_of_task(self.collection, rank, world_size)
        progress = TaskProgress(self.work.progress_path(rank), len(parts))
        for part in parts:
            spec = part.spec
            licence = spec.licence or find_licence(part.place, spec.commit)
            found = read(
                part.place,
                spec.wants,
                columns=spec.columns,
                commit=spec.commit,
                on_progress=progress.update,
            )
            for number, document in enumerate(found):
                if number % part.parts == part.part:
                    yield self._converted(document, spec, licence)
            progress.finish_part()

    def _converted(self, document: SourceDocument | Dropped, spec: SourceSpec, licence: str) -> Document:
        size = len(document.data) if isinstance(document, SourceDocument) else document.size
        decoded = decode_text(document) if isinstance(document, SourceDocument) else document
        self.stat_update("documents")
        if isinstance(decoded, Dropped):
            facts = {"source": spec.name, "dropped": decoded.reason, "size": size}
            return Document(text="", id="", metadata=facts)
        return Document(
            text=decoded.text,
            id=decoded.path,
            metadata={
                "source": spec.name,
                "content": spec.content,
                "language": decoded.language,
                "licences": decoded.licences or ((licence,) if licence else ()),
                "repository": decoded.repository,
                "size": size,
            },
        )


class TaskProgress:
    """File with the finished part of a task."""

    def __init__(self, path: Path, parts: int) -> None:
        self._path, self._parts = path, parts
        self._finished, self._last_write = 0, 0.0

    def update(self, fraction: float) -> None:
        """Record which fraction of the current part is read, 0 to 1."""
        if time.monotonic() - self._last_write > PROGRESS_INTERVAL_SECONDS:
            self._last_write = time.monotonic()
            self._path.write_text(f"{(self._finished + fraction) / self._parts:.4f}")

    def finish_part(self) -> None:
        """Record that the current part is read."""
        self._finished += 1
        self._last_write = 0.0
        self.update(0.0)


@dataclass
class Tally:
    """Counts of one source's documents in one task."""

    read_files: int = 0
    read_bytes: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    redacted: Counter[str] = field(default_factory=Counter)


class CleanDocuments(PipelineStep):  # type: ignore[misc]
    """Filter that applies the rules and counts the dropped and redacted documents by source."""

    name = "rules"
    type = "FILTER"

    def __init__(self, collection: Collection, work: WorkFolder) -> None:
        super().__init__()
        self.collection, self.work = collection, work

    def run(self, data: DocumentsPipeline = None, rank: int = 0, _world: int = 1) -> Iterator[Document]:
        """Yield the documents that all rules keep."""
        benchmarks = BenchmarkIndex.from_texts(
            text for path in self.collection.benchmarks for text in read_benchmark(path)
        )
        rules: dict[str, list[Rule]] = {
            spec.name: [*rules_for(spec), benchmarks] for spec in self.collection.sources
        }
        tallies: dict[str, Tally] = {}
        for document in data or ():
            source = document.metadata["source"]
            tally = tallies.setdefault(source, Tally())
            tally.read_files += 1
            tally.read_bytes += document.metadata["size"]
            result = self._clean(document, rules[source], tally)
            if isinstance(result, Dropped):
                tally.dropped[result.reason] += 1
                self.stat_update(result.reason)
            else:
                yield result
        counts = {name: vars(tally) for name, tally in tallies.items()}
        write_atomically(self.work.tally_path(rank), json.dumps(counts))

    def _clean(self, document: Document, rules: list[Rule], tally: Tally) -> Document | Dropped:
        facts = document.metadata
        if "dropped" in facts:
            return Dropped(facts["dropped"])
        result = clean(
            SourceDocument(
                document.text,
                document.id,
                facts["source"],
                facts["content"],
                facts["language"],
                tuple(facts["licences"]),
                facts["repository"],
            ),
            rules,
            tally.redacted,
        )
        if isinstance(result, Dropped):
            return result
        changed = {"language": result.language, "licences": result.licences}
        return Document(text=result.text, id=result.path, metadata=facts | changed)


class WriteDocuments(PipelineStep):  # type: ignore[misc]
    """Writer of a task's documents; the file gets its name when it is complete."""

    name = "documents"
    type = "WRITER"

    def __init__(self, collection: Collection, work: WorkFolder) -> None:
        super().__init__()
        self.collection, self.work = collection, work

    def run(self, data: DocumentsPipeline = None, rank: int = 0, _world: int = 1) -> Iterator[Document]:
        """Write the documents and yield them."""
        path = self.work.documents_path(rank)
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
                }
                if self.collection.layout == "sources":
                    line["repository"] = facts["repository"]
                lines.write(json.dumps(line, ensure_ascii=False) + "\n")
                self.stat_update("documents")
                yield document
        scratch.replace(path)


class Finish(PipelineStep):  # type: ignore[misc]
    """Second stage, in one task: removes copies, splits the documents and writes the corpus; see `finish`."""

    name = "finish"
    type = "WRITER"

    def __init__(
        self, collection: Collection, work: WorkFolder, out: Path, workers: int, progress: bool
    ) -> None:
        super().__init__()
        self.collection, self.work, self.out = collection, work, out
        self.workers, self.progress = workers, progress

    def run(self, data: DocumentsPipeline = None, _rank: int = 0, _world: int = 1) -> Iterator[Document]:
        """Write the corpus; yield only the documents of an earlier step."""
        finish(self.collection, self.work, self.out, workers=self.workers, progress=self.progress)
        yield from data or ()
