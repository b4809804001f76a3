"""The user's settings for reading files."""

from __future__ import annotations

from dataclasses import dataclass

MEGABYTE = 1_000_000


@dataclass(frozen=True, kw_only=True)
class ReadingRules:
    """Limits on which files of a workspace are read.

    Attributes:
        include: patterns as in .gitignore; if there are any, a file must match one.
        exclude: patterns as in .gitignore; a file or folder that matches one is not read.
        folders: folders whose patterns replace `exclude`. Folders and patterns are relative to the root, with
            slashes. The innermost folder counts.
        gitignore: whether to skip what git ignores; false to read installed packages, which git ignores.
        max_bytes: maximum size of a file that is read.
        max_files: maximum number of files that a walk returns.
        max_entries: maximum number of names of files and folders that a walk examines.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    folders: tuple[tuple[str, tuple[str, ...]], ...] = ()
    gitignore: bool = True
    max_bytes: int = MEGABYTE
    max_files: int = 20_000
    max_entries: int = 200_000
