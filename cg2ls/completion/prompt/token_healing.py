"""Token healing: where the known text must end so that the next token can be any token.

A prompt that ends inside a word, or with the blank that belongs to the next word, ends with tokens that the
model never saw in that place. The text is backed up to the last boundary that every tokenizer of the GPT-2
kind keeps, and the bytes taken off are forced on the answer (guidance, "token healing", Lundberg 2023).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_FORCED = 24
"""Characters at the known text's end that may be generated again; longer pieces are left alone."""

_PIECE = re.compile(r"(?:(?<=\S) )?(?:[^\W\d_]+|\d+|(?:[^\w\s]|_)+)\Z|(?<=\S) \Z")
"""The last piece of GPT-2's pre-tokenizer (Radford et al. 2019), or the one blank that begins the next.

Runs of blanks and line ends are tokens of their own in CodeGen2's vocabulary and need no healing.
"""


@dataclass(frozen=True)
class Healed:
    """Known text cut in two.

    Attributes:
        kept: what the prompt ends with.
        forced: what the answer must begin with.
    """

    kept: str
    forced: str


def heal(known: str) -> Healed:
    """Backs `known` up by its last piece.

    Args:
        known: text from the anchor to the cursor.
    """
    tail = known[-MAX_FORCED - 2 :]
    found = _PIECE.search(tail)
    if not found or len(found.group()) > MAX_FORCED:
        return Healed(known, "")
    piece = found.group()
    return Healed(known[: len(known) - len(piece)], piece)
