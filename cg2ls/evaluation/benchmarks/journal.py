"""Rows of an evaluation, and the file next to the report from which a stopped run resumes."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from cg2ls.errors import EvaluationError
from cg2ls.jsontext import json_text

if TYPE_CHECKING:
    from collections.abc import Mapping

Json = dict[str, Any]

RowKey = tuple[str, str, int]


@dataclass(frozen=True, kw_only=True)
class JournalRow:
    """One judged answer.

    Attributes:
        task: the task's name.
        group: origin of the task, such as a problem.
        trigger: who requested.
        sample: number of the sample, from 0.
        text: the shown text.
        shown: whether anything was shown.
        exact: whether it restores the document.
        similarity: edit similarity with the removed text, 0 to 1.
        confidence: the gate's estimate.
        ms: time of the answer.
        passed: whether the completed program works; None if it was not executed.
    """

    task: str
    group: str
    trigger: str
    sample: int = 0
    text: str = ""
    shown: bool = False
    exact: bool = False
    similarity: float = 0.0
    confidence: float = 0.0
    ms: float = 0.0
    passed: bool | None = None

    @property
    def key(self) -> RowKey:
        """Return the key that identifies the row in its run."""
        return self.task, self.trigger, self.sample

    def to_json(self) -> Json:
        """Return the row's numbers, rounded."""
        rounded = {"similarity": 4, "confidence": 4, "ms": 1}
        return {
            name: round(value, rounded[name]) if name in rounded else value
            for name, value in asdict(self).items()
        }

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> JournalRow:
        """Read a row.

        Raises:
            TypeError: a field is missing or unknown.
        """
        return cls(**raw)


class Journal:
    """Rows on disk, one a line, written as they are made.

    Args:
        path: the file; None to keep nothing.
        settings: settings that determine the rows. A journal of other settings is refused.

    Raises:
        EvaluationError: the file belongs to another run.
    """

    def __init__(self, path: Path | None, settings: Json) -> None:
        self._path = path
        self._settings = json.loads(json_text(settings))
        self._file: TextIO | None = None
        self.known: dict[RowKey, JournalRow] = {}
        if path is not None:
            self._open(path)

    def add(self, row: JournalRow) -> None:
        """Record a row."""
        self.known[row.key] = row
        if self._file is not None:
            self._file.write(json_text(row.to_json()) + "\n")
            self._file.flush()

    def close(self) -> None:
        """Close the file and keep it."""
        if self._file is not None:
            self._file.close()

    def finish(self) -> None:
        """Remove the file, since the report has its rows."""
        self.close()
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def _open(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        whole = 0
        if path.is_file():
            whole = self._read(path)
        self._file = path.open("r+" if whole else "w", encoding="utf-8", newline="\n")
        if whole:
            self._file.truncate(whole)  # a killed run may have left half a line
            self._file.seek(whole)
        else:
            self._file.write(json_text(self._settings) + "\n")
            self._file.flush()

    def _read(self, path: Path) -> int:
        """Read the rows; return the length of the whole lines in bytes."""
        data = path.read_bytes()
        whole = data.rfind(b"\n") + 1
        lines = data[:whole].decode("utf-8").splitlines()
        try:
            if lines and json.loads(lines[0]) != self._settings:
                raise EvaluationError(
                    f"{path} belongs to a run with other settings; finish that run, or remove the file."
                )
            rows = [JournalRow.from_json(json.loads(line)) for line in lines[1:]]
        except (ValueError, TypeError) as error:
            raise EvaluationError(f"{path} is damaged ({error}); remove it to begin again.") from None
        self.known = {row.key: row for row in rows}
        return whole
