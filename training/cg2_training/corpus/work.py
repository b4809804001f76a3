"""The folder in which tasks leave their shares until the corpus is whole."""

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
class Work:
    """Paths of what tasks write."""

    folder: Path

    def share(self, rank: int) -> Path:
        """The documents of a task, JSON lines."""
        return self.folder / "shares" / f"{rank:05}.jsonl"

    def tally(self, rank: int) -> Path:
        """What became of the documents that a task read."""
        return self.folder / "tallies" / f"{rank:05}.json"

    def progress(self, rank: int) -> Path:
        """Which part of a task is done, a number between 0 and 1."""
        return self.folder / "progress" / f"{rank:05}"

    def logs(self, stage: str) -> Path:
        """Where an executor keeps what it knows of a stage, such as which tasks are done."""
        return self.folder / "logs" / stage

    def shares(self) -> list[Path]:
        """All shares."""
        return sorted((self.folder / "shares").glob("*.jsonl"))

    def tallies(self) -> Iterable[dict[str, dict[str, object]]]:
        """What became of the documents, task by task and source by source."""
        for path in sorted((self.folder / "tallies").glob("*.json")):
            yield json.loads(path.read_text(encoding="utf-8"))


def prepared(folder: Path, collection: Collection, tasks: int) -> Work:
    """The folder, with what an interrupted run of the same work left, and empty otherwise.

    Args:
        folder: made where it is missing.
        collection: whose sources' sizes and times of change tell whether they are the same.
        tasks: among which the work is divided.
    """
    stamps = [
        (str(place.path), stat.st_size, stat.st_mtime_ns)
        for spec in collection.sources
        for place in spec.places()
        for stat in [place.path.stat()]
    ]
    key = hashlib.sha256(repr((collection.digest, tasks, stamps)).encode()).hexdigest()
    noted = folder / _KEY
    if not noted.is_file() or noted.read_text() != key:
        shutil.rmtree(folder, ignore_errors=True)
    for name in ("shares", "tallies", "progress", "logs"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    write_atomically(noted, key)
    return Work(folder)
