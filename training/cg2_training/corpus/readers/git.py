"""The tracked files of a git repository at a commit, from its object store.

`ls-tree` and `cat-file` run no hook, no filter and no file-system monitor, and a repository's own settings that
could start a program are overruled; the working tree is not looked at.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from cg2_training.corpus.draft import Dropped, SourceDocument
from cg2_training.corpus.errors import CorpusError
from cg2ls.workspace.secrets import has_secret_name

REGULAR = (b"100644", b"100755")
"""Modes of files; links (120000) and submodules (160000) are left alone."""

MAX_BYTES = 1_000_000
"""Of one file; larger ones are data."""

_SAFE = ("-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "safe.directory=*")


def read_checkout(
    repository: Path,
    wanted: Callable[[str], bool],
    commit: str = "HEAD",
    done: Callable[[float], object] = lambda _: None,
) -> Iterator[SourceDocument | Dropped]:
    """The files of a commit.

    Args:
        repository: a work tree or a bare repository.
        wanted: by a file's path.
        commit: anything that names one.
        done: told which share of the files is read, 0 to 1.

    Raises:
        CorpusError: git is not installed, the folder is no repository or lacks the commit or an object of it.
    """
    files, skipped = _tracked(repository, commit, wanted)
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
                raise CorpusError(f"{repository} lacks the object of {path}; fetch the repository whole.")
            yield SourceDocument(data, path)
            done(number / len(files))
        git.stdin.close()


def _tracked(
    repository: Path, commit: str, wanted: Callable[[str], bool]
) -> tuple[list[tuple[str, bytes]], list[Dropped]]:
    """Path and object of each wanted file, and what is left out."""
    listing = _output(repository, "ls-tree", "-r", "-z", "--long", "--full-tree", f"{commit}^{{commit}}")
    files, skipped = [], []
    for line in listing.split(b"\0")[:-1]:
        facts, name = line.split(b"\t", 1)
        mode, _, blob, size = facts.split()
        path = name.decode("utf-8", "replace")
        if mode not in REGULAR or not wanted(path):
            continue
        if has_secret_name(path.rsplit("/", 1)[-1]):
            skipped.append(Dropped("secret name"))
        elif size == b"BAD":
            raise CorpusError(f"{repository} lacks the object of {path}; fetch the repository whole.")
        elif int(size) > MAX_BYTES:
            skipped.append(Dropped("too large"))
        else:
            files.append((path, blob))
    return files, skipped


def _output(repository: Path, *arguments: str) -> bytes:
    done = subprocess.run(
        _command(repository, *arguments), capture_output=True, check=False, env=_environment()
    )
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines() or ["git failed"]
        raise CorpusError(f"{repository} cannot be read as a git repository ({said[-1]}).")
    return done.stdout


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
    return [git, "-C", str(repository), *_SAFE, *arguments]


def _environment() -> dict[str, str]:
    """Objects that a partial clone lacks are not fetched: nothing here may reach for the network."""
    return {**os.environ, "GIT_NO_LAZY_FETCH": "1", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
