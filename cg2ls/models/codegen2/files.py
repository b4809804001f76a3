"""Files of a checkpoint as they are met on disk: read, or said what they are instead."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cg2ls.errors import Cg2Error
from cg2ls.jsontext import json_value

POINTERS = {
    b"version https://git-lfs": ("a Git LFS pointer", "run `git lfs pull` in that folder"),
    b"# xet version": ("a Git Xet pointer", "run `git xet checkout` in that folder"),
    b"/annex/objects/": ("a git-annex pointer", "run `git annex get .` in that folder"),
}
"""What small files that stand for large ones begin with."""

PAGES = (b"<!doctype", b"<html", b"<?xml", b"<head")
ANSWERS = (
    *(b"entry not found", b"repository not found", b"not found", b"invalid username or password"),
    *(b"access to model", b"access denied", b"unauthorized", b'{"error"', b'{"message"'),
)
"""What servers send in place of a file; programs that look at no status save it under the file's name."""

PARTIAL = (".incomplete", ".part", ".partial", ".crdownload", ".aria2", ".download", ".tmp")
"""Endings that downloads have before they are whole."""

HEAD = 512
"""Bytes that are looked at."""


class CheckpointError(Cg2Error):
    """A checkpoint folder that is incomplete, damaged, or does not fit its own config."""


def problem_of(path: Path) -> str:
    """Why a file cannot be what its name says, as one sentence; "" where nothing speaks against it."""
    if not path.is_file():
        return _absence(path)
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
    except OSError as error:
        return f"{path} cannot be read ({error.strerror})."
    for beginning, (kind, remedy) in POINTERS.items():
        if head.startswith(beginning):
            return f"{path} is {kind}, not the file itself: {remedy}."
    start = head.lstrip().lower()
    if not start:
        return f"{path} is empty: download it again."
    if start.startswith(PAGES):
        return f"{path} is a web page, not the file itself: download it again."
    if start.replace(b'{ "', b'{"').startswith(ANSWERS):
        said = head.decode("utf-8", errors="replace").strip().splitlines()[0][:60]
        return f"{path} is a server's error message ({said}), not the file itself: download it again."
    return ""


def _absence(path: Path) -> str:
    if path.is_symlink():
        return f"{path} is a link to a file that is not there: download it again."
    if path.is_dir():
        return f"{path} is a folder, but must be a file."
    halves = [Path(f"{path}{ending}") for ending in PARTIAL if Path(f"{path}{ending}").exists()]
    if halves:
        return f"{path} is only half downloaded ({halves[0].name} lies there): download it again."
    return f"{path} is missing; the checkpoint is incomplete, download it again."


def read_json(path: Path) -> dict[str, Any]:
    """Reads a JSON object from a file.

    Raises:
        CheckpointError: the file is missing, or holds something else.
    """
    if problem := problem_of(path):
        raise CheckpointError(problem)
    try:
        value = json_value(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} cannot be read as JSON ({error}).") from None
    if not isinstance(value, dict):
        raise CheckpointError(f"{path} must hold a JSON object.")
    return value
