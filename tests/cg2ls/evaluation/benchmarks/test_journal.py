"""A stopped run continues where it ended."""

from __future__ import annotations

from pathlib import Path

import pytest

from cg2ls.errors import EvaluationError
from cg2ls.evaluation.benchmarks.journal import Journal, JournalRow

ROW = JournalRow(
    task="a", group="g", trigger="invoked", text="x = 1\n", shown=True, exact=True, similarity=1.0
)


def test_rows_survive_a_killed_run(tmp_path: Path) -> None:
    path = tmp_path / "report.json.partial"
    journal = Journal(path, {"suite": "s"})
    journal.add(ROW)
    journal.close()
    with path.open("a") as file:
        file.write('{"task": "half a li')
    again = Journal(path, {"suite": "s"})
    assert again.known == {ROW.key: ROW}
    again.add(JournalRow(task="b", group="g", trigger="invoked"))
    again.close()
    assert [task for task, _, _ in Journal(path, {"suite": "s"}).known] == ["a", "b"]


def test_other_settings_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "report.json.partial"
    Journal(path, {"suite": "s"}).close()
    with pytest.raises(EvaluationError, match="other settings"):
        Journal(path, {"suite": "t"})


def test_a_damaged_journal_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "report.json.partial"
    path.write_text('{"suite": "s"}\n{"unknown": 1}\n')
    with pytest.raises(EvaluationError, match="damaged"):
        Journal(path, {"suite": "s"})


def test_a_finished_run_leaves_no_journal(tmp_path: Path) -> None:
    path = tmp_path / "report.json.partial"
    journal = Journal(path, {})
    journal.add(ROW)
    journal.finish()
    assert not path.exists()


def test_without_a_path_nothing_is_written() -> None:
    journal = Journal(None, {})
    journal.add(ROW)
    journal.finish()
    assert journal.known == {ROW.key: ROW}
