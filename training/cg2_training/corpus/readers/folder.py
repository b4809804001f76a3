"""Read a folder with the rules of completion: no ignored files, no secrets, no links."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from cg2_training.corpus.document import Dropped, SourceDocument
from cg2ls.workspace import ReadingRules, Workspace

MAX_ENTRIES = 10_000_000
"""Maximum number of files and folders in one source."""


def read_folder(folder: Path, is_wanted: Callable[[str], bool]) -> Iterator[SourceDocument | Dropped]:
    """Yield the files of a folder that may be read.

    Args:
        folder: any folder.
        is_wanted: called with a file's path inside the folder.
    """
    refused: list[Dropped] = []
    workspace = Workspace(folder, ReadingRules(max_files=MAX_ENTRIES, max_entries=MAX_ENTRIES))
    files = workspace.walk(is_wanted, lambda refusal: refused.append(Dropped(f"folder: {refusal.reason}")))
    for path in files:
        relative = path.relative_to(workspace.root).as_posix()
        if is_wanted(relative):
            try:
                yield SourceDocument(path.read_bytes(), relative)
            except OSError:
                yield Dropped("folder: unreadable")
    yield from refused


def read_standard_library(folder: Path, is_wanted: Callable[[str], bool]) -> Iterator[SourceDocument]:
    """Yield the Python files of a standard library, without the rules for folders."""
    for path in sorted(folder.rglob("*.py")):
        relative = path.relative_to(folder).as_posix()
        if is_wanted(relative):
            yield SourceDocument(path.read_bytes(), relative)
