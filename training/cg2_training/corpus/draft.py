"""One document on its way from a source into the corpus."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Content = Literal["code", "text"]
"""Programs, or natural language beside them."""


@dataclass(frozen=True, slots=True)
class SourceDocument:
    """A document as a reader found it, or as a rule left it.

    Attributes:
        data: bytes of a file, or the text of a row; rules after `decoded` see text alone.
        path: inside the repository, archive or folder.
        source: name of the source in the collection.
        content: what kind of document the source holds.
        language: LSP id; "" where it is not known.
        licences: SPDX expressions that all apply; none where nothing is known.
        repository: what the document is a part of; "" where the source is one thing itself.
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
        """The text; only of a draft that was decoded."""
        assert isinstance(self.data, str)
        return self.data


@dataclass(frozen=True, slots=True)
class Dropped:
    """A document that is left out.

    Attributes:
        reason: a few words, the same for every document that is left out for it.
        documents: how many this stands for.
    """

    reason: str
    documents: int = 1
