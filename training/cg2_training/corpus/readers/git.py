"""Read the tracked files of a git repository at a commit, from its object store.

`ls-tree` and `cat-file` run no hook, filter or file-system monitor. Settings of the repository that could start a
program are overridden. The working tree is not read.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from cg2_training.corpus.document import Dropped, SourceDocument
from cg2_training.errors import CorpusError
from cg2ls.workspace.reading_rules import has_secret_name

REGULAR_MODES = (b"100644", b"100755")
"""Modes of files; links (120000) and submodules (160000) are skipped."""

MAX_FILE_BYTES = 1_000_000
"""Limit of one file; larger files are data."""

_SAFE_OPTIONS = ("-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "safe.directory=*")


def read_checkout(
    repository: Path,
    is_wanted: Callable[[str], bool],
    commit: str = "HEAD",
    on_progress: Callable[[float], object] = lambda _: None,
) -> Iterator[SourceDocument | Dropped]:
    """Yield the files of a commit.

    Args:
        repository: a work tree or a bare repository.
        is_wanted: called with a file's path.
        commit: a revision.
        on_progress: called with the part of the files that is read, 0 to 1.

    Raises:
        CorpusError: git is not installed, the folder is not a repository, or a commit or object is missing.
    """
    files, skipped = _tracked(repository, commit, is_wanted)
    yield from skipped
    command = _command(repository, "cat-file", "--batch")
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=_environment()) as git:
        assert git.stdin
        assert git.stdout
        for number, (path, blob) in enumerate(files, start=1):
            git.stdin.write(blob + b"\n")
            git.stdin.flush()
            data = _blob(git.stdout)
            if data is None:
                git.stdin.close()
                raise CorpusError(f"{repository} lacks the object of {path}; fetch the complete repository.")
            yield SourceDocument(data, path)
            on_progress(number / len(files))
        git.stdin.close()


def _tracked(
    repository: Path, commit: str, is_wanted: Callable[[str], bool]
) -> tuple[list[tuple[str, bytes]], list[Dropped]]:
    """Return the path and object of each wanted file, and the dropped files."""
    listing = _output(repository, "ls-tree", "-r", "-z", "--long", "--full-tree", f"{commit}^{{commit}}")
    files, skipped = [], []
    for line in listing.split(b"\0")[:-1]:
        facts, name = line.split(b"\t", 1)
        mode, _, blob, size = facts.split()
        path = name.decode("utf-8", "replace")
        if mode not in REGULAR_MODES or not is_wanted(path):
            continue
        if has_secret_name(path.rsplit("/", 1)[-1]):
            skipped.append(Dropped("secret name"))
        elif size == b"BAD":
            raise CorpusError(f"{repository} lacks the object of {path}; fetch the complete repository.")
        elif int(size) > MAX_FILE_BYTES:
            skipped.append(Dropped("too large", int(size)))
        else:
            files.append((path, blob))
    return files, skipped


def _output(repository: Path, *arguments: str) -> bytes:
    result = subprocess.run(
        _command(repository, *arguments), capture_output=True, check=False, env=_environment()
    )
    if result.returncode:
        lines = result.stderr.decode("utf-8", "replace").strip().splitlines() or ["git failed"]
        raise CorpusError(f"{repository} cannot be read as a git repository ({lines[-1]}).")
    return result.stdout


def _blob(stream: IO[bytes]) -> bytes | None:
    facts = stream.readline().split()
    if len(facts) != 3:
        return None
    data = stream.read(int(facts[2]))
    stream.read(1)
    return data


def _command(repository: Path, *arguments: str) -> list[str]:
    git = shutil.which("git")
    if git is None:
        raise CorpusError(f"git is not installed, so {repository} cannot be read; install it.")
    return [git, "-C", str(repository), *_SAFE_OPTIONS, *arguments]


def _environment() -> dict[str, str]:
    """Return an environment in which git never fetches the missing objects of a partial clone."""
    return {**os.environ, "GIT_NO_LAZY_FETCH": "1", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
