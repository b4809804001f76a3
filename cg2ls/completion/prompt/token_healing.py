"""Token healing: end the prompt at a token boundary, so that any token can follow.

A prompt must not end inside a word, or with the blank of the next word: the model never saw such tokens there. The text
is cut at the last boundary that every tokenizer of the GPT-2 kind keeps. The answer must begin with the bytes after it
(guidance, "token healing", Lundberg 2023).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_FORCED_CHARS = 24
"""Characters at the end of the known text that may be generated again; longer pieces are not healed."""

_PIECE = re.compile(r"(?:(?<=\S) )?(?:[^\W\d_]+|\d+|(?:[^\w\s]|_)+)\Z|(?<=\S) \Z")
"""The last piece of GPT-2's pre-tokenizer (Radford et al. 2019), or the single blank that begins the next.

Runs of blanks and line ends are tokens of their own in CodeGen2's vocabulary and need no healing.
"""


@dataclass(frozen=True)
class Healed:
    """Known text, split at a token boundary.

    Attributes:
        kept: the end of the prompt.
        forced: the text that the answer must begin with.
    """

    kept: str
    forced: str


def heal(known: str) -> Healed:
    """Split off the last piece of a text.

    Args:
        known: text from the anchor to the cursor.
    """
    tail = known[-MAX_FORCED_CHARS - 2 :]
    found = _PIECE.search(tail)
    if not found or len(found.group()) > MAX_FORCED_CHARS:
        return Healed(known, "")
    piece = found.group()
    return Healed(known[: len(known) - len(piece)], piece)
