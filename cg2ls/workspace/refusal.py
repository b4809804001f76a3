"""Reasons why a file is not read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from cg2ls.errors import Cg2Error

if TYPE_CHECKING:
    from pathlib import Path

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
        path: of the file, or of the folder all of whose files are refused.
        reason: why, in a word.
        detail: why, in a sentence.
    """

    path: Path
    reason: Reason
    detail: str

    def __str__(self) -> str:
        return f"{self.path}: {self.detail}"


class RefusedError(Cg2Error):
    """A file must not be read; `refusal` says why."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(str(refusal))
        self.refusal = refusal
