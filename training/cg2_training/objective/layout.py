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
        known: tokens of the text directly before each span that is written in its answer instead of in the prompt.
    """

    kept: list[list[int]]
    masked: list[list[int]]
    known: list[list[int]]

    def __len__(self) -> int:
        """Return the number of tokens of `lay_out`."""
        return (
            sum(map(len, self.kept + self.masked + self.known))
            + FRAME_TOKENS
            + TOKENS_PER_SPAN * len(self.masked)
        )

    def shorten(self, tokens: int, *, only_end: bool) -> list[int] | None:
        """Remove tokens from the text's end, or else from its beginning.

        Args:
            tokens: number of tokens to remove.
            only_end: whether the beginning must stay.

        Returns:
            The tokens removed from the end; None if there are too few to remove.
        """
        last = self.kept[-1]
        if len(last) >= tokens:
            self.kept[-1], removed = last[: len(last) - tokens], last[len(last) - tokens :]
            return removed
        if only_end:
            return None
        if len(self.kept[0]) >= tokens:
            self.kept[0] = self.kept[0][tokens:]
        elif not self.kept[0] and len(self.known[0]) >= tokens:
            self.known[0] = self.known[0][tokens:]
        else:
            return None
        return []

    def lay_out(self, special: SpecialTokens) -> list[int]:
        """Return the masked text, followed by every span as an answer, after the known text before it.

            kept <mask_1> kept <mask_2> kept <|endoftext|><sep><mask_1> span <eom><mask_2> span <eom><|endoftext|>

        The published models write the last `<|endoftext|>` after an answer.
        """
        prompt = list(self.kept[0])
        answers: list[int] = []
        for number, (known, span, following) in enumerate(
            zip(self.known, self.masked, self.kept[1:], strict=True), start=1
        ):
            prompt += [special.mask(number), *following]
            answers += [special.mask(number), *known, *span, special.eom]
        return [*prompt, special.end_of_text, special.sep, *answers, special.end_of_text]

    def cursors(self) -> list[int]:
        """Return the index of each span's first token in `lay_out`."""
        at = sum(map(len, self.kept)) + len(self.masked) + 2
        found = []
        for known, span in zip(self.known, self.masked, strict=True):
            at += 1 + len(known)
            found.append(at)
            at += len(span) + 1
        return found


def cut_part(
    text: str,
    spans: Sequence[Span],
    tokenizer: CodeTokenizer,
    *,
    anchors: Sequence[int] | None = None,
    fragment_share: float = 0.0,
    rng: np.random.Generator | None = None,
) -> CorruptedPart:
    """Cut a text at its spans and tokenize the pieces.

    Args:
        text: text of the part.
        spans: character ranges to mask.
        tokenizer: tokenizer of the model.
        anchors: character offset at which the known text of each span begins; by default there is none.
        fragment_share: probability that a piece is cut further before it is tokenized.
        rng: random generator for these cuts; needed if `fragment_share` is above 0.
    """
    known_from = [start for start, _ in spans] if anchors is None else anchors
    edges = [edge for at, span in zip(known_from, spans, strict=True) for edge in (at, *span)]
    pieces = [text[a:b] for a, b in pairwise([0, *edges, len(text)])]
    encoded = _encode(pieces, tokenizer, fragment_share, rng)
    return CorruptedPart(kept=encoded[0::3], known=encoded[1::3], masked=encoded[2::3])


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
