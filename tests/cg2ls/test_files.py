"""Files and folders are written completely or not at all, and nothing else is lost."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cg2ls.errors import NO_ROOM
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


def test_a_folder_of_another_kind_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "keep.txt").write_text("precious")
    with (
        pytest.raises(OutputError, match="has no proof, so it is not replaced"),
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


@pytest.mark.parametrize("number", NO_ROOM)
@pytest.mark.parametrize("inside", [False, True])
def test_an_error_names_the_path_that_the_user_knows(tmp_path: Path, number: int, inside: bool) -> None:
    with (
        pytest.raises(OSError, match=rf"'{tmp_path / 'out'}'"),
        replacing_folder(tmp_path / "out", proof="proof") as new,
    ):
        raise OSError(number, "No space left", *([str(new / "half")] if inside else []))
    assert names(tmp_path) == []


def test_an_error_about_another_file_keeps_its_path(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="'source'"), replacing_folder(tmp_path / "out", proof="proof"):
        raise OSError(5, "Input/output error", "source")


def test_a_file_without_room_is_named_by_its_own_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(NO_ROOM[0], "No space left")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=rf"'{tmp_path / 'a.txt'}'"):
        write_atomically(tmp_path / "a.txt", "text")
    assert names(tmp_path) == []


KILLED = """
import os, signal, sys
from pathlib import Path
from cg2ls.files import replacing_folder
with replacing_folder(Path(sys.argv[1]), proof="proof") as new:
    (new / "half").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_leftovers_of_a_killed_process_are_removed(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "out")], env=environment, check=False)
    assert [name[-4:] for name in names(tmp_path)] == [".tmp"]
    with replacing_folder(tmp_path / "out", proof="proof") as new:
        (new / "proof").touch()
    assert names(tmp_path) == ["out"]
    assert names(tmp_path / "out") == ["proof"]


def test_unfinished_work_of_another_process_is_kept(tmp_path: Path) -> None:
    with replacing_folder(tmp_path / "out", proof="proof") as first:
        (first / "proof").write_text("first")
        with replacing_folder(tmp_path / "out", proof="proof") as second:
            (second / "proof").write_text("second")
        assert (first / "proof").read_text() == "first"
    assert names(tmp_path) == ["out"]
    assert (tmp_path / "out" / "proof").read_text() == "first"


def test_a_folder_in_the_making_may_itself_be_made_at_once(tmp_path: Path) -> None:
    with (
        replacing_folder(tmp_path / "out", proof="proof") as outer,
        replacing_folder(outer, proof="proof") as inner,
    ):
        (inner / "proof").touch()
    assert names(tmp_path / "out") == ["proof"]
