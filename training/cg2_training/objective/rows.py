"""Training rows made from packed rows of tokens; some parts are laid out as the server lays out a prompt."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from cg2_training.objective.config import ObjectiveConfig
from cg2_training.objective.layout import FRAME_TOKENS, TOKENS_PER_SPAN, cut_part
from cg2_training.objective.spans import IntArray, Span, choose_spans
from cg2ls.models.codegen2 import CodeTokenizer


def draw_anchors(
    text: str, spans: Sequence[Span], config: ObjectiveConfig, rng: np.random.Generator
) -> list[int]:
    """Draw the offset at which the known text of each span begins; without known text it is the span's start.

    Known text never reaches the previous span, so that masks never touch.
    """
    anchors = []
    limit = -1
    for start, end in spans:
        anchors.append(_anchor(text, start, limit, config, rng))
        limit = end
    if anchors and config.suffix_first_share and rng.random() < config.suffix_first_share:
        anchors[0] = 0
    return anchors


def _anchor(text: str, start: int, limit: int, config: ObjectiveConfig, rng: np.random.Generator) -> int:
    if not config.anchor_share or rng.random() >= config.anchor_share:
        return start
    reach = max(limit + 1, start - int(rng.integers(1, config.anchor_max_chars + 1)))
    line = text.rfind("\n", 0, reach) + 1
    if line > limit:
        return line
    after = text.find("\n", reach, start) + 1
    return after if after > limit + 1 else start


def find_block_end(text: str, span: Span) -> int:
    """Return the offset at which the block around a span ends.

    The block ends before the first later line with less indentation than the span's first line. A block without
    indentation ends at an empty line.
    """
    start, end = span
    indent = _indent(text[text.rfind("\n", 0, start) + 1 :].split("\n", 1)[0])
    at = end if text[end - 1] == "\n" else _next_line(text, end)
    while at < len(text):
        following = _next_line(text, at)
        line = text[at:following]
        if not line.strip():
            if indent == 0:
                return at
        elif _indent(line) < indent:
            return at
        at = following
    return at


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" \t"))


def _next_line(text: str, at: int) -> int:
    """Return the offset after the next newline, or the text's end."""
    return text.find("\n", at) + 1 or len(text)


TRIM_DIVISOR = 16
"""A tokenized part is shortened by at most this fraction; beyond it, spans are drawn again for less text."""


@dataclass
class Row:
    """Tokens of a row, with the prompt that each belongs to.

    Attributes:
        tokens: ids.
        regions: number of each token's prompt, counted from 1; 0 outside prompts. Only a prefix LM uses it.
        cursors: index of the first token of each middle.
    """

    tokens: list[int] = field(default_factory=list)
    regions: list[int] = field(default_factory=list)
    cursors: list[int] = field(default_factory=list)

    def add(self, tokens: Sequence[int], prompt: int, cursors: Sequence[int] = ()) -> None:
        """Append a part whose first `prompt` tokens are its prompt; `cursors` are relative to it."""
        number = max(self.regions, default=0) + 1
        self.cursors += [len(self.tokens) + at for at in cursors]
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
    """Corrupt each document part of a packed row separately, so that the result fits into `max_tokens`.

    Special tokens and cuts make a part longer than its text. Text at the end of the row is dropped if it does not fit,
    but never an answer. Parts end at `<|endoftext|>`, which the corrupted form replaces with its own.

    Args:
        row: packed tokens.
        tokenizer: tokenizer of the model.
        config: options of the objective.
        rng: random generator.
        max_tokens: maximum number of tokens in the result.
    """
    special = tokenizer.special
    out = Row()
    parts = deque(_split_parts(row, special.end_of_text))
    continues = False
    while parts:
        part, ended = parts.popleft()
        remaining = max_tokens - len(out.tokens)
        seed = int(rng.integers(1 << 62))
        laid_out = _corrupt_part(part, tokenizer, config, seed, remaining, continues=continues)
        continues = bool(laid_out and laid_out.rest)
        if laid_out:
            out.add(laid_out.tokens, laid_out.tokens.index(special.sep) + 1, laid_out.cursors)
            if laid_out.rest:
                parts.appendleft((laid_out.rest, ended))
        elif part:
            out.add([*part, *ended][:remaining], 0)
    return out


@dataclass(frozen=True)
class _LaidOut:
    """Tokens of a corrupted part, the first token of each middle, and the text that it leaves for another part."""

    tokens: list[int]
    cursors: list[int]
    rest: list[int]


def _corrupt_part(
    part: Sequence[int],
    tokenizer: CodeTokenizer,
    config: ObjectiveConfig,
    seed: int,
    max_tokens: int,
    *,
    continues: bool,
) -> _LaidOut | None:
    """Corrupt a part in at most `max_tokens` tokens; return None if too little text is left to mask.

    A small excess of tokens is removed from the text around the spans, but not from the beginning of a part that
    continues another (`continues`). For a larger excess, the same random numbers are
    drawn for a shorter text. So the masked share does not depend on the available space.
    """
    kept_tokens = min(len(part), max_tokens - FRAME_TOKENS - TOKENS_PER_SPAN)
    while kept_tokens > 0:
        rng = np.random.default_rng(seed)
        text = tokenizer.decode_bytes(part[:kept_tokens]).decode("utf-8", errors="ignore")
        boundaries = token_starts(part[:kept_tokens], text, tokenizer) if config.token_start_share else None
        spans = choose_spans(text, config, rng, masks=tokenizer.special.n_masks, boundaries=boundaries)
        if not spans:
            return None
        spans, end = _cut_below(text, spans, config, rng)
        size = kept_tokens * end // len(text) + FRAME_TOKENS + TOKENS_PER_SPAN * len(spans)
        if size - max_tokens <= kept_tokens // TRIM_DIVISOR:
            anchors = draw_anchors(text, spans, config, rng)
            corrupted = cut_part(
                text[:end], spans, tokenizer, anchors=anchors, fragment_share=config.fragment_share, rng=rng
            )
            size = len(corrupted)
            excess = size - max_tokens
            removed: list[int] | None = []
            if excess > 0:
                is_small = excess <= kept_tokens // TRIM_DIVISOR
                removed = corrupted.shorten(excess, only_end=continues) if is_small else None
            if removed is not None:
                rest = (
                    [*removed, *tokenizer.encode(text[end:]), *part[kept_tokens:]] if end < len(text) else []
                )
                return _LaidOut(corrupted.lay_out(tokenizer.special), corrupted.cursors(), rest)
        kept_tokens = min(kept_tokens - 1, kept_tokens * max_tokens // size)
    return None


def _cut_below(
    text: str, spans: list[Span], config: ObjectiveConfig, rng: np.random.Generator
) -> tuple[list[Span], int]:
    """Return the spans up to a random one and where its block ends, or all spans and the text's end."""
    if not config.near_suffix_share or rng.random() >= config.near_suffix_share:
        return spans, len(text)
    chosen = int(rng.integers(len(spans)))
    end = find_block_end(text, spans[chosen])
    return spans[: chosen + 1], end


def token_starts(tokens: Sequence[int], text: str, tokenizer: CodeTokenizer) -> IntArray | None:
    """Return the character offsets of the text's tokens; None if the text lost incomplete characters."""
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
    """Return a row unchanged; with `rng`, a uniform beginning of every part becomes its prompt (prefix LM)."""
    out = Row()
    for part, ended in _split_parts(row, end_of_text):
        out.add([*part, *ended], 0 if rng is None else int(rng.integers(0, len(part) + 1)))
    return out


def _split_parts(row: Sequence[int], end_of_text: int) -> Iterator[tuple[list[int], list[int]]]:
    """Yield the text between document ends, each with its end token; the last has none and may be empty."""
    part: list[int] = []
    for token in row:
        if token == end_of_text:
            yield part, [token]
            part = []
        else:
            part.append(token)
    yield part, []
