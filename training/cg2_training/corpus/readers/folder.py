"""A folder of files, read under the rules that completion follows: git's ignores, no secrets, no links."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from cg2_training.corpus.draft import Dropped, SourceDocument
from cg2ls.workspace import ReadingRules, Workspace

MOST = 10_000_000
"""Files and folders looked at in one source."""


def read_folder(folder: Path, wanted: Callable[[str], bool]) -> Iterator[SourceDocument | Dropped]:
    """The files of a folder that may be read.

    Args:
        folder: any folder.
        wanted: by a file's path inside it.
    """
    refused: list[Dropped] = []
    workspace = Workspace(folder, ReadingRules(max_files=MOST, max_entries=MOST))
    files = workspace.walk(wanted, lambda refusal: refused.append(Dropped(f"folder: {refusal.reason}")))
    for path in files:
        relative = path.relative_to(workspace.root).as_posix()
        if wanted(relative):
            try:
                yield SourceDocument(path.read_bytes(), relative)
            except OSError:
                yield Dropped("folder: unreadable")
    yield from refused
