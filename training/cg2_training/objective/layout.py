"""From text and spans to the tokens of a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from cg2_training.objective.config import ObjectiveConfig
from cg2_training.objective.spans import Span, choose_spans
from cg2ls.codegen2 import CodeTokenizer

MOST_CUTS = 3
"""Of a piece that is cut into fragments."""


@dataclass
class Row:
    """Tokens of a row, of any length, and which of them belong to a prompt.

    Attributes:
        tokens: ids.
        regions: for each token the number of the prompt it belongs to, counted from 1; 0 outside of prompts.
            Only a prefix LM asks for them.
    """

    tokens: list[int] = field(default_factory=list)
    regions: list[int] = field(default_factory=list)

    def add(self, tokens: Sequence[int], prompt: int) -> None:
        """Appends a part whose first `prompt` tokens are its prompt."""
        number = max(self.regions, default=0) + 1
        self.tokens += tokens
        self.regions += [number] * prompt + [0] * (len(tokens) - prompt)


def corrupt(
    text: str,
    spans: Sequence[Span],
    tokenizer: CodeTokenizer,
    *,
    fragment_share: float = 0.0,
    rng: np.random.Generator | None = None,
) -> list[int]:
    """Tokens of one part: the masked text, then every span as an answer.

        kept <mask_1> kept <mask_2> kept <|endoftext|> <sep> <mask_1> span <eom> <mask_2> span <eom>

    Every piece is tokenized by itself, since spans are cut between characters.

    Args:
        text: the part.
        spans: what is masked.
        tokenizer: of the model.
        fragment_share: chance that a piece is cut further before it is tokenized.
        rng: decides where; needed for a `fragment_share` above 0.
    """
    special = tokenizer.special
    bounds = [0, *(edge for span in spans for edge in span), len(text)]
    pieces = [text[a:b] for a, b in pairwise(bounds)]
    encoded = _encode(pieces, tokenizer, fragment_share, rng)
    kept, masked = encoded[0::2], encoded[1::2]
    prompt = list(kept[0])
    answers: list[int] = []
    for number, (span, behind) in enumerate(zip(masked, kept[1:], strict=True), start=1):
        prompt += [special.mask(number), *behind]
        answers += [special.mask(number), *span, special.eom]
    return [*prompt, special.end_of_text, special.sep, *answers]


def corrupt_row(
    row: Sequence[int], tokenizer: CodeTokenizer, config: ObjectiveConfig, rng: np.random.Generator
) -> Row:
    """Corrupts each document part of a packed row by itself.

    Parts end at `<|endoftext|>`, which is dropped: the corrupted form has one of its own.
    """
    special = tokenizer.special
    out = Row()
    for part in _parts(row, special.end_of_text):
        text = tokenizer.decode_bytes(part).decode("utf-8", errors="ignore")
        if not text:
            continue
        if spans := choose_spans(text, config, rng):
            tokens = corrupt(text, spans, tokenizer, fragment_share=config.fragment_share, rng=rng)
            out.add(tokens, tokens.index(special.sep) + 1)
        else:
            out.add([*tokenizer.encode(text), special.end_of_text], 0)
    return out


def causal_row(row: Sequence[int], end_of_text: int, rng: np.random.Generator | None = None) -> Row:
    """A row as it is; given `rng`, a uniform beginning of every part is its prompt, as a prefix LM is trained."""
    out = Row()
    parts = list(_parts(row, end_of_text))
    for number, part in enumerate(parts):
        ended = [end_of_text] if number < len(parts) - 1 else []
        out.add([*part, *ended], 0 if rng is None else int(rng.integers(0, len(part) + 1)))
    return out


def _parts(row: Sequence[int], end_of_text: int) -> list[list[int]]:
    """What stands between the ends of documents; the last part may be empty."""
    parts: list[list[int]] = [[]]
    for token in row:
        if token == end_of_text:
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


def _encode(
    pieces: Sequence[str], tokenizer: CodeTokenizer, fragment_share: float, rng: np.random.Generator | None
) -> list[list[int]]:
    if not fragment_share:
        return tokenizer.encode_batch(list(pieces))
    assert rng is not None
    fragments = [fragments_of(piece, fragment_share, rng) for piece in pieces]
    encoded = iter(tokenizer.encode_batch([fragment for piece in fragments for fragment in piece]))
    return [[token for _ in piece for token in next(encoded)] for piece in fragments]


def fragments_of(piece: str, share: float, rng: np.random.Generator) -> list[str]:
    """The piece whole, or with chance `share` cut at 1 to `MOST_CUTS` uniform points."""
    if len(piece) < 2 or rng.random() >= share:
        return [piece]
    cuts = sorted({int(cut) for cut in rng.integers(1, len(piece), size=rng.integers(1, MOST_CUTS + 1))})
    return [piece[a:b] for a, b in pairwise([0, *cuts, len(piece)])]
