"""Layout of text and spans as the tokens of one part of a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from cg2_training.objective.spans import Span
from cg2ls.models.codegen2 import CodeTokenizer, SpecialTokens

FRAME_TOKENS = 3
"""Tokens of a corrupted part in addition to its text and spans: `<|endoftext|>`, `<sep>`, `<|endoftext|>`."""

TOKENS_PER_SPAN = 3
"""Tokens that each span adds: its mask, twice, and `<eom>`."""

MAX_CUTS = 3
"""Maximum number of cuts in a piece that is cut into fragments."""


@dataclass
class CorruptedPart:
    """One part of a row, with each piece tokenized separately, since spans are cut between characters.

    Attributes:
        kept: tokens before, between and after the spans.
        masked: tokens of the spans; one entry fewer than `kept`.
    """

    kept: list[list[int]]
    masked: list[list[int]]

    def __len__(self) -> int:
        """Return the number of tokens of `lay_out`."""
        return sum(map(len, self.kept + self.masked)) + FRAME_TOKENS + TOKENS_PER_SPAN * len(self.masked)

    def shorten(self, tokens: int) -> bool:
        """Remove tokens from the text's end or beginning; tell whether there are that many."""
        if len(self.kept[-1]) >= tokens:
            self.kept[-1] = self.kept[-1][: len(self.kept[-1]) - tokens]
        elif len(self.kept[0]) >= tokens:
            self.kept[0] = self.kept[0][tokens:]
        else:
            return False
        return True

    def lay_out(self, special: SpecialTokens) -> list[int]:
        """Return the masked text, followed by every span as an answer.

            kept <mask_1> kept <mask_2> kept <|endoftext|><sep><mask_1> span <eom><mask_2> span <eom><|endoftext|>

        The published models write the last `<|endoftext|>` after an answer.
        """
        prompt = list(self.kept[0])
        answers: list[int] = []
        for number, (span, following) in enumerate(zip(self.masked, self.kept[1:], strict=True), start=1):
            prompt += [special.mask(number), *following]
            answers += [special.mask(number), *span, special.eom]
        return [*prompt, special.end_of_text, special.sep, *answers, special.end_of_text]


def cut_part(
    text: str,
    spans: Sequence[Span],
    tokenizer: CodeTokenizer,
    *,
    fragment_share: float = 0.0,
    rng: np.random.Generator | None = None,
) -> CorruptedPart:
    """Cut a text at its spans and tokenize the pieces.

    Args:
        text: text of the part.
        spans: character ranges to mask.
        tokenizer: tokenizer of the model.
        fragment_share: probability that a piece is cut further before it is tokenized.
        rng: random generator for these cuts; needed if `fragment_share` is above 0.
    """
    bounds = [0, *(edge for span in spans for edge in span), len(text)]
    pieces = [text[a:b] for a, b in pairwise(bounds)]
    encoded = _encode(pieces, tokenizer, fragment_share, rng)
    return CorruptedPart(encoded[0::2], encoded[1::2])


def corrupt(
    text: str,
    spans: Sequence[Span],
    tokenizer: CodeTokenizer,
    *,
    fragment_share: float = 0.0,
    rng: np.random.Generator | None = None,
) -> list[int]:
    """Return the tokens of one part in the order of `CorruptedPart.lay_out`; see `cut_part` for the arguments."""
    part = cut_part(text, spans, tokenizer, fragment_share=fragment_share, rng=rng)
    return part.lay_out(tokenizer.special)


def _encode(
    pieces: Sequence[str], tokenizer: CodeTokenizer, fragment_share: float, rng: np.random.Generator | None
) -> list[list[int]]:
    if not fragment_share:
        return tokenizer.encode_batch(list(pieces))
    assert rng is not None
    fragments = [cut_fragments(piece, fragment_share, rng) for piece in pieces]
    encoded = iter(tokenizer.encode_batch([fragment for piece in fragments for fragment in piece]))
    return [[token for _ in piece for token in next(encoded)] for piece in fragments]


def cut_fragments(piece: str, share: float, rng: np.random.Generator) -> list[str]:
    """Return the whole piece or, with probability `share`, its fragments between 1 to `MAX_CUTS` uniform cuts."""
    if len(piece) < 2 or rng.random() >= share:
        return [piece]
    cuts = sorted({int(cut) for cut in rng.integers(1, len(piece), size=rng.integers(1, MAX_CUTS + 1))})
    return [piece[a:b] for a, b in pairwise([0, *cuts, len(piece)])]
