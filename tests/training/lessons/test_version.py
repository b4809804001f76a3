"""Which code made a number: a commit, or a digest of the files."""

from __future__ import annotations

import subprocess
from pathlib import Path

from cg2_training.lessons.version import code_version


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    return subprocess.run(
        ["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()


def test_code_is_named_by_commit_and_by_its_changes(tmp_path: Path) -> None:
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").write_text("a = 1\n")
    copy = code_version((package,))
    assert copy.startswith("files ")
    git(tmp_path, "init", "-q")
    assert code_version((package,)) == copy, "files that no commit has"
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "one")
    commit = git(tmp_path, "rev-parse", "HEAD")
    assert code_version((package,)) == commit
    (package / "__init__.py").write_text("a = 2\n")
    changed = code_version((package,))
    assert changed.startswith(f"{commit} with changes, files ")
    (package / "__init__.py").write_text("a = 3\n")
    assert code_version((package,)) != changed
