"""Rules about licences: those that apply to a document, and those that its text names."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from cg2_training.corpus.document import Dropped, SourceDocument
from cg2_training.corpus.licences import is_allowed

OWN = "own"
"""Licence of a source that the user owns or is otherwise permitted to use."""


_MAX_HEADER_LINES = 40
_MAX_BANNER_LINES = 8

_FORBIDDEN = re.compile(
    r"\bGNU\s+(?:Affero\s+|Lesser\s+|Library\s+)?General\s+Public|\b[AL]?GPL(?:v?[23]|\b)"
    r"|Mozilla\s+Public\s+License|\bMPL[- /]?[12]\.\d|CC[- ]BY[- ](?:SA|NC|ND)"
    r"|Attribution-(?:ShareAlike|NonCommercial|NoDerivatives)|\bEUPL\b|Eclipse\s+Public|\bSSPL\b"
    r"|Business\s+Source\s+License|Commons\s+Clause|proprietary\s+and\s+confidential"
    r"|(?:NVIDIA|Intel)\s+proprietary|non-?commercial",
    re.IGNORECASE,
)
# After the header, mentions of a licence are common, so only words that grant a licence or report copying count.
_FORBIDDEN_INSIDE = re.compile(
    r"licen[sc]ed\s+under[^\n]{0,60}\n?[^\n]{0,60}(?:\b[AL]?GPL|General\s+Public|Mozilla\s+Public|ShareAlike)"
    r"|\b(?:from|adapted|copied|taken|borrowed|stolen|based\s+on|thanks\s+to|credits?)\b[^\n]{0,40}"
    r"(?:\n[ #]*)?[^\n]{0,40}stack(?:overflow|exchange)\.com",
    re.IGNORECASE,
)
_RESERVED = re.compile(r"all\s+rights\s+reserved", re.IGNORECASE)
_GRANT = re.compile(
    r"licen[sc]e|redistribut|permission|apache|\bBSD\b|\bMIT\b|public\s+domain|SPDX", re.IGNORECASE
)
_LEGAL = re.compile(r"copyright|licen[sc]e|warrant|redistribut|permission|SPDX|\(c\)", re.IGNORECASE)
_C_COMMENT = re.compile(r"\s*(?:/\*.*?\*/[ \t]*|(?:[ \t]*//[^\n]*(?:\n|$))+)", re.DOTALL)
_FIRST_LINE = re.compile(r"#!|#.*coding[:=]")


@dataclass(frozen=True)
class LicenceRule:
    """Rule that keeps documents with only permissive licences.

    Attributes:
        default: SPDX expression of documents that state none, or OWN.
    """

    default: str = ""

    def __call__(self, document: SourceDocument) -> SourceDocument | Dropped:
        """Return the document with its licences."""
        if self.default == OWN:
            return replace(document, licences=(OWN,))
        licences = document.licences or ((self.default,) if self.default else ())
        if not licences:
            return Dropped("no licence")
        if not all(map(is_allowed, licences)):
            return Dropped("licence")
        if forbids_use(document.text):
            return Dropped("licence header")
        return replace(document, licences=licences)


def forbids_use(text: str) -> bool:
    """Return whether a file's first 40 lines name a licence that forbids training on it.

    "All rights reserved" counts only without a grant of rights. After the header, a part under such a licence
    counts, and so does a part copied from a share-alike question-and-answer site.
    """
    header = "\n".join(text.split("\n", _MAX_HEADER_LINES)[:_MAX_HEADER_LINES])
    if _FORBIDDEN.search(header) or _FORBIDDEN_INSIDE.search(text):
        return True
    return bool(_RESERVED.search(header)) and not _GRANT.search(header)


def strip_c_banner(text: str) -> str:
    """Remove leading licence comments of more than eight lines from a language with C's comments."""
    end = 0
    while (found := _C_COMMENT.match(text, end)) and _LEGAL.search(found[0]):
        end = found.end()
    return text[end:].lstrip("\n") if text.count("\n", 0, end) >= _MAX_BANNER_LINES else text


def strip_banner(text: str) -> str:
    """Remove a leading licence comment of more than eight lines, but keep `#!` and coding lines."""
    lines = text.split("\n")
    start = 0
    while start < len(lines) and start < 2 and _FIRST_LINE.match(lines[start]):
        start += 1
    end = start
    while True:
        block = end
        while block < len(lines) and not lines[block].strip():
            block += 1
        after = block
        while after < len(lines) and lines[after].startswith("#"):
            after += 1
        if after == block or not _LEGAL.search("\n".join(lines[block:after])):
            break
        end = after
    if end - start <= _MAX_BANNER_LINES:
        return text
    while end < len(lines) and not lines[end].strip():
        end += 1
    return "\n".join(lines[:start] + lines[end:])
