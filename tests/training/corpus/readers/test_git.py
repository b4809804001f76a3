"""Git repositories are read from their objects at a commit, and nothing in them runs."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from cg2_training.corpus.document import Dropped, SourceDocument
from cg2_training.corpus.readers.git import MAX_FILE_BYTES, read_checkout
from cg2_training.errors import CorpusError


def git(folder: Path, *arguments: str) -> str:
    who = {
        f"GIT_{role}_{what}": "x@example.com"
        for role in ("AUTHOR", "COMMITTER")
        for what in ("NAME", "EMAIL")
    }
    run = subprocess.run(
        ["git", "-C", str(folder), *arguments],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | who,
    )
    return run.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "repository"
    root.mkdir()
    git(root, "init", "-q")
    (root / "kept.py").write_text("first = 1\n")
    git(root, "add", ".")
    git(root, "commit", "-qm", "one")
    return root


def texts(repository: Path, commit: str = "HEAD") -> dict[str, bytes | str]:
    found = read_checkout(repository, lambda path: path.endswith(".py"), commit)
    return {one.path: one.data for one in found if isinstance(one, SourceDocument)}


def test_tracked_files_are_read_as_they_were_committed(repository: Path) -> None:
    (repository / "kept.py").write_text("changed = 2\n")
    (repository / "untracked.py").write_text("new = 3\n")
    assert texts(repository) == {"kept.py": b"first = 1\n"}


def test_an_older_commit_can_be_named(repository: Path) -> None:
    first = git(repository, "rev-parse", "HEAD")
    (repository / "kept.py").write_text("second = 2\n")
    (repository / "more").mkdir()
    (repository / "more" / "ünï code.py").write_text("third = 3\n")
    git(repository, "add", ".")
    git(repository, "commit", "-qm", "two")
    assert texts(repository) == {"kept.py": b"second = 2\n", "more/ünï code.py": b"third = 3\n"}
    assert texts(repository, first) == {"kept.py": b"first = 1\n"}


def test_nothing_of_the_repository_runs(repository: Path, tmp_path: Path) -> None:
    trap = tmp_path / "ran"
    script = tmp_path / "trap.sh"
    script.write_text(f"#!/bin/sh\ntouch {trap}\ncat\n")
    script.chmod(0o755)
    (repository / ".gitattributes").write_text("*.py filter=trap diff=trap\n")
    for key in ("filter.trap.smudge", "filter.trap.clean", "diff.trap.textconv", "core.fsmonitor"):
        git(repository, "config", key, str(script))
    for hook in ("post-checkout", "post-index-change", "reference-transaction"):
        (repository / ".git" / "hooks" / hook).write_text(script.read_text())
        (repository / ".git" / "hooks" / hook).chmod(0o755)
    assert texts(repository) == {"kept.py": b"first = 1\n"}
    assert not trap.exists()


def test_links_large_files_and_secret_names_are_not_read(repository: Path) -> None:
    (repository / "link.py").symlink_to("/etc/passwd")
    (repository / "large.py").write_bytes(b"#" * (MAX_FILE_BYTES + 1))
    (repository / ".env.py").write_text("TOKEN = 1\n")
    git(repository, "add", "-f", ".")
    git(repository, "commit", "-qm", "two")
    found = list(read_checkout(repository, lambda path: path.endswith(".py")))
    assert {one.path for one in found if isinstance(one, SourceDocument)} == {"kept.py"}
    assert {one.reason for one in found if isinstance(one, Dropped)} == {"too large", "secret name"}


@pytest.mark.parametrize(("commit", "says"), [("nowhere", "cannot be read as a git repository")])
def test_missing_commit_is_named(repository: Path, commit: str, says: str) -> None:
    with pytest.raises(CorpusError, match=says):
        texts(repository, commit)


def test_a_folder_without_git_is_named(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="not a git repository"):
        texts(tmp_path)


def test_a_missing_object_is_named(repository: Path) -> None:
    blob = git(repository, "rev-parse", "HEAD:kept.py")
    (repository / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    with pytest.raises(CorpusError, match=r"lacks the object of kept\.py"):
        texts(repository)
