"""Limits on which files are read, and reasons why a file is not read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from cg2ls.errors import Cg2Error

if TYPE_CHECKING:
    from pathlib import Path


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


Reason = Literal[
    "outside",
    "link",
    "no file",
    "excluded",
    "not included",
    "tool folder",
    "ignored",
    "unreadable rules",
    "secret name",
    "secret content",
    "too large",
    "binary",
    "not UTF-8",
    "minified",
    "generated",
    "unreadable",
    "too many files",
]
"""Reasons for not reading a file, in the order in which they are checked."""


@dataclass(frozen=True)
class Refusal:
    """A file that is not read, with the reason.

    Attributes:
        path: path of the file, or of a folder all of whose files are refused.
        reason: reason, one of the words above.
        detail: reason as a sentence.
    """

    path: Path
    reason: Reason
    detail: str

    def __str__(self) -> str:
        return f"{self.path}: {self.detail}"


class RefusedError(Cg2Error):
    """A file must not be read; `refusal` has the reason."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(str(refusal))
        self.refusal = refusal
