"""Which files are replayed."""

from __future__ import annotations

import pytest

from cg2ls.evaluation.errors import ReplayError
from cg2ls.evaluation.simulation.sources import LARGEST, LONGEST_LINE, collect

SUFFIXES = {".py": "python", ".go": "go"}


def test_files_that_people_write(tmp_path):
    folder = tmp_path / "repo"
    (folder / "in" / ".hidden").mkdir(parents=True)
    (folder / "in" / "a.py").write_bytes(b"x = 1\r\ny = 2\n")
    (folder / "b.go").write_text("package b\n")
    (folder / "c.txt").write_text("no\n")
    (folder / "in" / ".hidden" / "d.py").write_text("no\n")
    (folder / "e.py").write_bytes(b"\xff\n")
    (folder / "f.py").write_text("x" * (LONGEST_LINE + 1))
    (folder / "g.py").write_text("xy\n" * LARGEST)
    (folder / "h.py").write_text(" \n")
    (folder / "i.py").write_text("a\0b\n")
    found = collect([folder], SUFFIXES)
    assert [(source.name, source.language) for source in found] == [
        ("repo/b.go", "go"),
        ("repo/in/a.py", "python"),
    ]
    assert found[1].text == "x = 1\ny = 2\n"
    assert [source.path for source in collect([folder], SUFFIXES, {"go"})] == ["b.go"]
    assert [source.name for source in collect([folder / "b.go"], SUFFIXES)] == ["b.go/b.go"]


def test_nothing_to_replay_is_an_error(tmp_path):
    with pytest.raises(ReplayError, match="no file in cobol"):
        collect([tmp_path], SUFFIXES, {"cobol"})
    with pytest.raises(ReplayError, match="does not exist"):
        collect([tmp_path / "nowhere"], SUFFIXES)
