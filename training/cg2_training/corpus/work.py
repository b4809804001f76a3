"""The folder in which tasks store their documents until the corpus is complete."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cg2_training.corpus.collection import Collection
from cg2ls.files import write_atomically

_KEY = "collection.sha256"


@dataclass(frozen=True)
class WorkFolder:
    """Paths of the files that tasks write."""

    folder: Path

    def documents_path(self, rank: int) -> Path:
        """Return the JSON-lines file with the documents of a task."""
        return self.folder / "documents" / f"{rank:05}.jsonl"

    def tally_path(self, rank: int) -> Path:
        """Return the file with a task's counts of read, dropped and redacted documents."""
        return self.folder / "tallies" / f"{rank:05}.json"

    def progress_path(self, rank: int) -> Path:
        """Return the file with the finished part of a task, a number from 0 to 1."""
        return self.folder / "progress" / f"{rank:05}"

    def log_folder(self, stage: str) -> Path:
        """Return where an executor records a stage's state, such as the finished tasks."""
        return self.folder / "logs" / stage

    def document_files(self) -> list[Path]:
        """Return the documents files of all tasks."""
        return sorted((self.folder / "documents").glob("*.jsonl"))

    def read_tallies(self) -> Iterable[dict[str, dict[str, object]]]:
        """Yield the counts of each task, by source."""
        for path in sorted((self.folder / "tallies").glob("*.json")):
            yield json.loads(path.read_text(encoding="utf-8"))


def prepare_work_folder(folder: Path, collection: Collection, tasks: int) -> WorkFolder:
    """Return the folder with the files of an interrupted run of the same work, or empty.

    Args:
        folder: made if it is missing.
        collection: work is the same if the collection, and sizes and times of its sources, are the same.
        tasks: number of tasks that share the work.
    """
    stamps = [
        (str(place.path), stat.st_size, stat.st_mtime_ns)
        for spec in collection.sources
        for place in spec.places()
        for stat in [place.path.stat()]
    ]
    key = hashlib.sha256(repr((collection.digest, tasks, stamps)).encode()).hexdigest()
    key_path = folder / _KEY
    if not key_path.is_file() or key_path.read_text() != key:
        shutil.rmtree(folder, ignore_errors=True)
    for name in ("documents", "tallies", "progress", "logs"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    write_atomically(key_path, key)
    return WorkFolder(folder)
