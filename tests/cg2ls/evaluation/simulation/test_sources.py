"""Which files are replayed."""

from __future__ import annotations

import pytest

from cg2ls.errors import EvaluationError
from cg2ls.evaluation.simulation.sources import MAX_FILE_BYTES, MAX_LINE_CHARS, collect_sources

SUFFIXES = {".py": "python", ".go": "go"}


def test_only_readable_source_files_are_collected(tmp_path):
    folder = tmp_path / "repo"
    (folder / "in" / ".hidden").mkdir(parents=True)
    (folder / "in" / "a.py").write_bytes(b"x = 1\r\ny = 2\n")
    (folder / "b.go").write_text("package b\n")
    (folder / "c.txt").write_text("no\n")
    (folder / "in" / ".hidden" / "d.py").write_text("no\n")
    (folder / "e.py").write_bytes(b"\xff\n")
    (folder / "f.py").write_text("x" * (MAX_LINE_CHARS + 1))
    (folder / "g.py").write_text("xy\n" * MAX_FILE_BYTES)
    (folder / "h.py").write_text(" \n")
    (folder / "i.py").write_text("a\0b\n")
    found = collect_sources([folder], SUFFIXES)
    assert [(source.name, source.language) for source in found] == [
        ("repo/b.go", "go"),
        ("repo/in/a.py", "python"),
    ]
    assert found[1].text == "x = 1\ny = 2\n"
    assert [source.path for source in collect_sources([folder], SUFFIXES, {"go"})] == ["b.go"]
    assert [source.name for source in collect_sources([folder / "b.go"], SUFFIXES)] == ["b.go/b.go"]


def test_nothing_to_replay_is_an_error(tmp_path):
    with pytest.raises(EvaluationError, match="no file in cobol"):
        collect_sources([tmp_path], SUFFIXES, {"cobol"})
    with pytest.raises(EvaluationError, match="does not exist"):
        collect_sources([tmp_path / "nowhere"], SUFFIXES)
