"""Training and held-out text of a repository."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cg2_training.adapt.inputs import SourceFile, collect_files, hold_out
from cg2_training.errors import TrainingError

texts = st.text("ab\n", min_size=1, max_size=60)
repositories = st.dictionaries(
    st.text("abcdef/", min_size=1, max_size=8), texts, min_size=4, max_size=30
).map(lambda files: [SourceFile(path, text) for path, text in files.items()])


def test_ignored_secret_empty_and_repeated_files_are_excluded(repository: Path) -> None:
    found = collect_files([repository], (".py",))
    names = {Path(file.path).name for file in found.files}
    assert "bisect.py" in names
    assert not names & {"made.py", "keys.py", "empty.py"}
    assert len(names & {"glob.py", "copy_of_glob.py"}) == 1
    assert found.refused == {"ignored": 1, "secret content": 1, "empty": 1, "exact duplicate": 1}


def test_only_the_requested_names_are_read(repository: Path) -> None:
    assert [file.path for file in collect_files([repository], (".md",)).files] == ["notes.md"]


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="nowhere is not a folder"):
        collect_files([tmp_path / "nowhere"], (".py",))


@given(repositories)
def test_every_file_is_on_one_side(files: list[SourceFile]) -> None:
    train, heldout = hold_out(files, 0.25)
    assert sorted([*train, *heldout], key=lambda file: file.path) == sorted(files, key=lambda file: file.path)
    wanted = 0.25 * sum(len(file.text) for file in files)
    held = sum(len(file.text) for file in heldout)
    assert held <= wanted + max(len(file.text) for file in files) / 2


def test_a_file_stays_on_its_side_when_others_change() -> None:
    files = [SourceFile(f"module_{number}.py", "x" * 100) for number in range(40)]
    _, before = hold_out(files, 0.2)
    _, after = hold_out([*files[1:], SourceFile("new.py", "x" * 100)], 0.2)
    assert len(set(before) & set(after)) >= len(before) - 2
