"""One document on its way from a source into the corpus."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Content = Literal["code", "text"]
"""Source code or natural language."""

Split = Literal["train", "heldout"]
"""Part of the corpus that is trained on, or that is kept for measuring."""


@dataclass(frozen=True, slots=True)
class SourceDocument:
    """A document as a reader found it or as a rule changed it.

    Attributes:
        data: bytes of a file, or the text of a row. Rules after `decode_text` only get text.
        path: inside the repository, archive or folder.
        source: name of the source in the collection.
        content: kind of document that the source contains.
        language: LSP id; "" if unknown.
        licences: SPDX expressions that all apply; empty if unknown.
        repository: of a row in a dump; "" for other sources.
    """

    data: bytes | str
    path: str
    source: str = ""
    content: Content = "code"
    language: str = ""
    licences: tuple[str, ...] = ()
    repository: str = ""

    @property
    def text(self) -> str:
        """Return the text of a decoded document."""
        assert isinstance(self.data, str)
        return self.data


@dataclass(frozen=True, slots=True)
class Dropped:
    """A document that is left out.

    Attributes:
        reason: a few words, the same for all documents with this reason.
        size: bytes of the document if it was not read.
    """

    reason: str
    size: int = 0
