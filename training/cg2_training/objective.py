"""The training objective: causal LM and file-level span corruption, mixed per row.

Recipe of the CodeGen2 paper (arXiv 2305.02309) as far as it is known: a row is left alone or corrupted with
equal chance; a row that holds several documents is split at their boundaries and each part is corrupted by
itself; the share of masked text is drawn anew for each part and span lengths are uniform. The ranges, cuts
between characters and spans that end at a line are this project's choice.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cg2ls.codegen2 import CodeTokenizer, SpecialTokens

IntArray = npt.NDArray[np.integer]

IGNORED = -100
"""Label of a position that bears no loss."""


@dataclass(frozen=True, kw_only=True)
class ObjectiveConfig:
    """How rows are corrupted.

    Attributes:
        infill_share: chance that a row is corrupted rather than causal.
        min_mask_ratio: least share of a part's characters to mask; the share is uniform between the two.
        max_mask_ratio: greatest share.
        max_span_chars: span lengths are uniform from 1 to this many characters.
        line_end_share: chance that a span is drawn out to the end of the line it ends in.
        max_spans: most spans of one part; also bounded by the vocabulary's masks.
    """

    infill_share: float = 0.5
    min_mask_ratio: float = 0.05
    max_mask_ratio: float = 0.5
    max_span_chars: int = 400
    line_end_share: float = 0.5
    max_spans: int = 8


def choose_spans(text: str, config: ObjectiveConfig, rng: np.random.Generator) -> list[tuple[int, int]]:
    """Disjoint, ordered, non-empty character ranges of `text` to mask.

    Lengths are drawn until their sum reaches the drawn share of the text; the unmasked rest is then spread
    over the gaps uniformly, so that a span may lie anywhere. Neighbours never touch.
    """
    if len(text) < 2:
        return []
    target = rng.uniform(config.min_mask_ratio, config.max_mask_ratio) * len(text)
    lengths: list[int] = []
    while len(lengths) < config.max_spans and sum(lengths) < target:
        room = max(1, round(target - sum(lengths)))
        lengths.append(int(rng.integers(1, min(config.max_span_chars, room) + 1)))
    inner_gaps = len(lengths) - 1
    free = len(text) - sum(lengths) - inner_gaps
    if free < 0:
        return []
    cuts = np.sort(rng.integers(0, free + 1, size=len(lengths)))
    starts = [int(cut) + sum(lengths[:i]) + i for i, cut in enumerate(cuts)]
    spans = [(start, start + length) for start, length in zip(starts, lengths, strict=True)]
    return _to_line_ends(text, spans, config, rng)


def _to_line_ends(
    text: str, spans: list[tuple[int, int]], config: ObjectiveConfig, rng: np.random.Generator
) -> list[tuple[int, int]]:
    """Draws some spans out to just behind the next newline, where the next span leaves room."""
    limits = [start for start, _ in spans[1:]] + [len(text) + 1]
    drawn = []
    for (start, end), limit in zip(spans, limits, strict=True):
        newline = text.find("\n", end - 1)
        reach = newline + 1 if rng.random() < config.line_end_share and 0 <= newline < limit - 1 else end
        drawn.append((start, reach))
    return drawn


def corrupt(text: str, spans: list[tuple[int, int]], tokenizer: CodeTokenizer) -> list[int]:
    """Tokens of one part: the masked text, then every span as an answer.

        kept <mask_1> kept <mask_2> kept <|endoftext|> <sep> <mask_1> span <eom> <mask_2> span <eom>

    Every piece is tokenized by itself, since spans are cut between characters.
    """
    special = tokenizer.special
    bounds = [0, *(edge for span in spans for edge in span), len(text)]
    pieces = [text[a:b] for a, b in pairwise(bounds)]
    encoded = tokenizer.encode_batch(pieces)
    kept, masked = encoded[0::2], encoded[1::2]
    prompt = list(kept[0])
    answers: list[int] = []
    for number, (span, behind) in enumerate(zip(masked, kept[1:], strict=True), start=1):
        prompt += [special.mask(number), *behind]
        answers += [special.mask(number), *span, special.eom]
    return [*prompt, special.end_of_text, special.sep, *answers]


def corrupt_row(
    row: Sequence[int], tokenizer: CodeTokenizer, config: ObjectiveConfig, rng: np.random.Generator
) -> list[int]:
    """Corrupts each document part of a packed row by itself; the result has any length.

    Parts end at `<|endoftext|>`, which is dropped: the corrupted form has one of its own.
    """
    special = tokenizer.special
    out: list[int] = []
    part: list[int] = []
    for token in [*row, special.end_of_text]:
        if token != special.end_of_text:
            part.append(token)
            continue
        text = tokenizer.decode_bytes(part).decode("utf-8", errors="ignore")
        part = []
        if not text:
            continue
        spans = choose_spans(text, config, rng)
        out += corrupt(text, spans, tokenizer) if spans else [*tokenizer.encode(text), special.end_of_text]
    return out


def labels_of(tokens: IntArray, special: SpecialTokens) -> IntArray:
    """Next-token labels of ids [..., time + 1], int64 [..., time].

    No loss falls on `<mask_N>`, on `<sep>` and on the `<|endoftext|>` before it: where a mask stands is
    chance, and the server writes all three itself.
    """
    labels = tokens[..., 1:].astype(np.int64)
    before_sep = np.zeros(labels.shape, dtype=bool)
    before_sep[..., :-1] = labels[..., 1:] == special.sep
    return np.where((labels >= special.first_mask_id) | (labels == special.sep) | before_sep, IGNORED, labels)
