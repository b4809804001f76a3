"""The first lines of a file: licences that forbid its use, and banners that only cost tokens."""

import re

_HEADER_LINES = 40
_BANNER_LINES = 8

_FORBIDDEN = re.compile(
    r"\bGNU\s+(?:Affero\s+|Lesser\s+|Library\s+)?General\s+Public|\b[AL]?GPL(?:v?[23]|\b)"
    r"|Mozilla\s+Public\s+License|\bMPL[- /]?[12]\.\d|CC[- ]BY[- ](?:SA|NC|ND)"
    r"|Attribution-(?:ShareAlike|NonCommercial|NoDerivatives)|\bEUPL\b|Eclipse\s+Public|\bSSPL\b"
    r"|Business\s+Source\s+License|Commons\s+Clause|proprietary\s+and\s+confidential"
    r"|(?:NVIDIA|Intel)\s+proprietary|non-?commercial",
    re.IGNORECASE,
)
# Below the header a mere mention is common, so only words that grant or tell of copying count.
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
_FIRST = re.compile(r"#!|#.*coding[:=]")


def forbids_use(text: str) -> bool:
    """Whether a file's first 40 lines name a licence that keeps the file out of the corpus.

    "All rights reserved" counts only where no grant of rights stands beside it. Further down, a part
    under such a licence counts, and so does one taken from a share-alike question-and-answer site.
    """
    header = "\n".join(text.split("\n", _HEADER_LINES)[:_HEADER_LINES])
    if _FORBIDDEN.search(header) or _FORBIDDEN_INSIDE.search(text):
        return True
    return bool(_RESERVED.search(header)) and not _GRANT.search(header)


def strip_banner(text: str) -> str:
    """Remove a leading licence comment of more than eight lines; `#!` and coding lines stay."""
    lines = text.split("\n")
    start = 0
    while start < len(lines) and start < 2 and _FIRST.match(lines[start]):
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
    if end - start <= _BANNER_LINES:
        return text
    while end < len(lines) and not lines[end].strip():
        end += 1
    return "\n".join(lines[:start] + lines[end:])
