"""Files and folders appear whole or not at all, and nothing else is lost on the way."""

from __future__ import annotations

from pathlib import Path

import pytest

from cg2ls.files import OutputError, replacing_folder, write_atomically


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "a.txt"
    write_atomically(path, "first")
    write_atomically(path, b"second")
    assert path.read_text() == "second"
    assert names(path.parent) == ["a.txt"]


def test_a_folder_of_the_same_kind_is_replaced(tmp_path: Path) -> None:
    for content in ("one", "two"):
        with replacing_folder(tmp_path / "out", proof="proof") as new:
            (new / "proof").write_text(content)
            (new / content).touch()
    assert names(tmp_path) == ["out"]
    assert names(tmp_path / "out") == ["proof", "two"]


def test_a_folder_of_another_kind_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "keep.txt").write_text("precious")
    with (
        pytest.raises(OutputError, match="has no proof, so it is left alone"),
        replacing_folder(tmp_path / "out", proof="proof"),
    ):
        pytest.fail("the block must not run")
    assert names(tmp_path) == ["out"]
    assert (tmp_path / "out" / "keep.txt").read_text() == "precious"


def test_a_failure_leaves_the_old_folder(tmp_path: Path) -> None:
    with replacing_folder(tmp_path / "out", proof="proof") as new:
        (new / "proof").write_text("old")
    with pytest.raises(IsADirectoryError), replacing_folder(tmp_path / "out", proof="proof") as new:
        new.read_bytes()
    assert names(tmp_path) == ["out"]
    assert (tmp_path / "out" / "proof").read_text() == "old"


def test_a_failed_rename_brings_the_old_folder_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with replacing_folder(tmp_path / "out", proof="proof") as new:
        (new / "proof").write_text("old")
    rename = Path.replace

    def refuse(path: Path, target: Path) -> Path:
        if path.name.endswith(".tmp"):
            raise PermissionError(13, "in use")
        return rename(path, target)

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(PermissionError), replacing_folder(tmp_path / "out", proof="proof") as new:
        (new / "proof").write_text("new")
    assert names(tmp_path) == ["out"]
    assert (tmp_path / "out" / "proof").read_text() == "old"
