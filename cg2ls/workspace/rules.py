"""The user's settings for reading files."""

from __future__ import annotations

from dataclasses import dataclass

MEGABYTE = 1_000_000


@dataclass(frozen=True, kw_only=True)
class ReadingRules:
    """Limits on which files of a workspace are read.

    Attributes:
        include: patterns as in .gitignore; where there are any, a file must match one.
        exclude: patterns as in .gitignore; a file or folder that matches one is left alone.
        folders: folders by name, relative to the root with slashes, in which other patterns stand in place of
            `exclude`; they are relative to the root, too. The innermost folder counts.
        gitignore: whether what git ignores is left alone; what tools installed is ignored and may be wanted.
        max_bytes: largest file read.
        max_files: most files a walk gives.
        max_entries: most names of files and folders a walk looks at.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    folders: tuple[tuple[str, tuple[str, ...]], ...] = ()
    gitignore: bool = True
    max_bytes: int = MEGABYTE
    max_files: int = 20_000
    max_entries: int = 200_000
