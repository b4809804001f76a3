"""`cg2ls neovim`."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from cg2ls.cli import neovim
from cg2ls.cli.main import main

FILES = {"lua/cg2ls/init.lua", "plugin/cg2ls.lua", "doc/cg2ls.txt"}


def files_of(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_only_the_plugin_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "cg2ls.nvim"
    assert main(["neovim", str(folder)]) == 0
    assert str(folder) in capsys.readouterr().out
    found = files_of(folder)
    assert found >= FILES
    assert {name.partition("/")[0] for name in found} == {"lua", "plugin", "doc"}


def test_writing_again_removes_the_previous_version(tmp_path: Path) -> None:
    folder = tmp_path / "cg2ls.nvim"
    main(["neovim", str(folder)])
    (folder / "lua" / "old.lua").write_text("")
    assert main(["neovim", str(folder)]) == 0
    assert not (folder / "lua" / "old.lua").exists()


def test_another_folder_is_not_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    assert main(["neovim", str(tmp_path)]) == 1
    assert "choose another name" in capsys.readouterr().err
    assert files_of(tmp_path) == {"mine.txt"}


def test_the_plugin_can_be_cloned_with_git(tmp_path: Path) -> None:
    folder = tmp_path / "cg2ls.nvim"
    assert main(["neovim", "--git", str(folder)]) == 0
    assert main(["neovim", "--git", str(folder)]) == 0
    subprocess.run(["git", "clone", "-q", str(folder), str(tmp_path / "clone")], check=True)
    assert files_of(tmp_path / "clone") >= FILES


def test_installation_without_the_plugin_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(neovim, "PACKAGED", tmp_path)
    monkeypatch.setattr(neovim, "CLONED", tmp_path)
    assert main(["neovim", str(tmp_path / "new")]) == 1
    assert "lacks the plugin" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()
