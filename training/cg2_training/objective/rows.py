"""From the tokens of a packed row to the tokens that are trained on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from cg2_training.objective.config import ObjectiveConfig
from cg2_training.objective.layout import FRAME_TOKENS, TOKENS_PER_SPAN, cut_part
from cg2_training.objective.placement import IntArray
from cg2_training.objective.spans import choose_spans
from cg2ls.models.codegen2 import CodeTokenizer

TRIM_DIVISOR = 16
"""A part is shortened after it is tokenized by at most this fraction; beyond, its spans are drawn for less text."""


@dataclass
class Row:
    """Tokens of a row and which of them belong to a prompt.

    Attributes:
        tokens: ids.
        regions: for each token the number of the prompt it belongs to, counted from 1; 0 outside of prompts.
            Only a prefix LM asks for them.
    """

    tokens: list[int] = field(default_factory=list)
    regions: list[int] = field(default_factory=list)

    def add(self, tokens: Sequence[int], prompt: int) -> None:
        """Append a part whose first `prompt` tokens are its prompt."""
        number = max(self.regions, default=0) + 1
        self.tokens += tokens
        self.regions += [number] * prompt + [0] * (len(tokens) - prompt)


def corrupt_row(
    row: Sequence[int],
    tokenizer: CodeTokenizer,
    config: ObjectiveConfig,
    rng: np.random.Generator,
    *,
    max_tokens: int,
) -> Row:
    """Corrupt each document part of a packed row by itself, so that the whole fits in `max_tokens`.

    Marks and cuts make a part longer than its text was. What does not fit is text at the end of the row, never an
    answer. Parts end at `<|endoftext|>`, which the corrupted form replaces by its own.

    Args:
        row: the packed tokens.
        tokenizer: of the model.
        config: what is masked.
        rng: decides.
        max_tokens: most tokens of the row that is made.
    """
    special = tokenizer.special
    out = Row()
    for part, ended in _parts(row, special.end_of_text):
        room = max_tokens - len(out.tokens)
        seed = int(rng.integers(1 << 62))
        if tokens := _corrupted(part, tokenizer, config, seed, room):
            out.add(tokens, tokens.index(special.sep) + 1)
        elif part:
            out.add([*part, *ended][:room], 0)
    return out


def _corrupted(
    part: Sequence[int], tokenizer: CodeTokenizer, config: ObjectiveConfig, seed: int, room: int
) -> list[int]:
    """Return a part corrupted in at most `room` tokens; empty where that leaves too little to mask.

    A few tokens too many are taken off the text around the spans. Otherwise the same numbers are drawn for a shorter
    text, so that what is masked does not depend on how much fits.
    """
    kept = min(len(part), room - FRAME_TOKENS - TOKENS_PER_SPAN)
    while kept > 0:
        rng = np.random.default_rng(seed)
        text = tokenizer.decode_bytes(part[:kept]).decode("utf-8", errors="ignore")
        boundaries = token_starts(part[:kept], text, tokenizer) if config.token_start_share else None
        spans = choose_spans(text, config, rng, masks=tokenizer.special.n_masks, boundaries=boundaries)
        if not spans:
            return []
        size = kept + FRAME_TOKENS + TOKENS_PER_SPAN * len(spans)
        if size - room <= kept // TRIM_DIVISOR:
            made = cut_part(text, spans, tokenizer, fragment_share=config.fragment_share, rng=rng)
            size = len(made)
            excess = size - room
            if excess <= 0 or (excess <= kept // TRIM_DIVISOR and made.shorten(excess)):
                return made.lay_out(tokenizer.special)
        kept = min(kept - 1, kept * room // size)
    return []


def token_starts(tokens: Sequence[int], text: str, tokenizer: CodeTokenizer) -> IntArray | None:
    """Characters of the text at which its tokens begin; None where the text lost incomplete characters."""
    table = tokenizer.token_bytes
    ends = np.cumsum([len(table[token]) for token in tokens])
    starts = np.concatenate([[0], ends[:-1]])
    if text.isascii():
        return starts if len(text) == ends[-1] else None
    widths = [len(character.encode()) for character in text]
    if sum(widths) != ends[-1]:
        return None
    begins = np.concatenate([[0], np.cumsum(widths)])
    at: IntArray = np.flatnonzero(np.isin(begins, starts))
    return at


def make_causal_row(row: Sequence[int], end_of_text: int, rng: np.random.Generator | None = None) -> Row:
    """Return a row as it is; given `rng`, a uniform beginning of every part is its prompt, as a prefix LM is trained."""
    out = Row()
    for part, ended in _parts(row, end_of_text):
        out.add([*part, *ended], 0 if rng is None else int(rng.integers(0, len(part) + 1)))
    return out


def _parts(row: Sequence[int], end_of_text: int) -> Iterator[tuple[list[int], list[int]]]:
    """What stands between the ends of documents, each with its end; the last has none and may be empty."""
    part: list[int] = []
    for token in row:
        if token == end_of_text:
            yield part, [token]
            part = []
        else:
            part.append(token)
    yield part, []
