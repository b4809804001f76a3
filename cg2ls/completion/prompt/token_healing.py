"""Token healing: end the prompt at a token boundary, so that any token can follow.

A prompt must not end inside a word, or with the blank of the next word: the model never saw such tokens there. The text
is cut at the last boundary that every tokenizer of the GPT-2 kind keeps. The answer must begin with the bytes after it
(guidance, "token healing", Lundberg 2023).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cg2ls.models.codegen2.tokenizer import CodeTokenizer

MAX_FORCED_CHARS = 24
"""Characters at the end of the known text that may be generated again; longer pieces are not healed."""

_PIECE = re.compile(r"(?:(?<=\S) )?(?:[^\W\d_]+|\d+|(?:[^\w\s]|_)+)\Z|(?<=\S) \Z")
"""The last piece of GPT-2's pre-tokenizer (Radford et al. 2019), or the single blank that begins the next.

Runs of blanks and line ends are tokens of their own in CodeGen2's vocabulary and need no healing.
"""

_UNSPLIT = re.compile(r" ?(?:[^\W\d_]+|(?:[^\w\s]|_)+)\Z|[ \t]\Z")
"""The last piece where the tokenizer does not split text into pieces, as SentencePiece (Llama 2): a word takes the last
blank before it, even of a run. Its digits are tokens of their own."""

_PROBES = ("a", "(", "1")
"""Characters that may follow. A place where all of them leave the pieces before it alone is a token boundary."""


@dataclass(frozen=True)
class Healed:
    """Known text, split at a token boundary.

    Attributes:
        kept: the end of the prompt.
        forced: the text that the answer must begin with.
    """

    kept: str
    forced: str


Healer = Callable[[str], Healed]
"""Splits the text from the anchor to the cursor at a token boundary."""


def heal(known: str) -> Healed:
    """Split off the last piece of a text.

    Args:
        known: text from the anchor to the cursor.
    """
    return _cut_last(known, _PIECE)


def find_healer(tokenizer: CodeTokenizer) -> Healer:
    """Return the function that splits text at the boundaries of a tokenizer.

    Args:
        tokenizer: of the model. Vocabularies with CodeGen2's masks have GPT-2's pieces and blanks of their own; others
            are asked where they split text.
    """
    if tokenizer.special.n_masks:
        return heal

    def heal_open(known: str) -> Healed:
        tail = known[-MAX_FORCED_CHARS - 2 :]
        boundaries = set(range(len(tail) + 1))
        for probe in _PROBES:
            pieces = tokenizer.split_pieces(tail + probe)
            if pieces is None or (len(pieces) == 1 and " " in tail.strip()):  # words are not split off
                return _cut_last(known, _UNSPLIT)
            boundaries &= {0, *pieces}
        forced = tail[max(boundaries) :]
        if len(forced) > MAX_FORCED_CHARS or not forced:
            return Healed(known, "")
        return Healed(known[: len(known) - len(forced)], forced)

    return heal_open


def _cut_last(known: str, piece: re.Pattern[str]) -> Healed:
    found = piece.search(known[-MAX_FORCED_CHARS - 2 :])
    if not found or len(found.group()) > MAX_FORCED_CHARS:
        return Healed(known, "")
    return Healed(known[: len(known) - len(found.group())], found.group())
