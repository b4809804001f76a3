"""Choice of the characters of a text to mask.

Spans are disjoint, ordered, non-empty ranges of characters, and neighbours never touch. They are random, or
nodes of the syntax tree.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from cg2_training.errors import TrainingError
from cg2_training.objective.config import ObjectiveConfig

CHARS_PER_TOKEN = 3
"""Approximate value for code; UL2 states its lengths in tokens."""

UL2_DENOISERS = ((0.15, 3), (0.15, 32), (0.5, 3))
"""Masked share and mean span in tokens: R, and the two extremes X (Tay et al. 2022, table 1, for short inputs)."""


def choose_spans(
    text: str,
    config: ObjectiveConfig,
    rng: np.random.Generator,
    *,
    masks: int,
    boundaries: IntArray | None = None,
) -> list[Span]:
    """Choose the spans of one part of a row; the list is empty if the text is too short.

    Args:
        text: text of the part.
        config: options of the objective.
        rng: random generator.
        masks: number of masks in the vocabulary.
        boundaries: sorted character offsets of the text's tokens; needed for `token_start_share`.
    """
    if len(text) < 2:
        return []
    spans = _draw_spans(text, config, rng, masks)
    if config.token_start_share and boundaries is not None:
        spans = _move_starts_to_tokens(spans, boundaries, config, rng)
    return spans


def _draw_spans(text: str, config: ObjectiveConfig, rng: np.random.Generator, masks: int) -> list[Span]:
    if config.infill == "psm":
        return draw_psm_span(len(text), rng)
    if config.infill == "ul2":
        return draw_ul2_spans(len(text), masks, rng)
    is_syntax = config.syntax_share > 0 and rng.random() < config.syntax_share
    if is_syntax and (spans := draw_syntax_spans(text, config, rng)):
        return spans
    is_dense = config.dense_share > 0 and rng.random() < config.dense_share
    if is_dense and (spans := draw_dense_spans(text, config, rng, masks=masks)):
        return spans
    spans = draw_uniform_spans(len(text), config, rng, masks=masks)
    if config.early_start_share:
        spans = _move_starts_to_lines(text, spans, config, rng)
    return _move_ends_to_lines(text, spans, config, rng)


def draw_uniform_spans(
    size: int, config: ObjectiveConfig, rng: np.random.Generator, *, masks: int
) -> list[Span]:
    """Draw a share of the text, then spans of uniform lengths that cover it."""
    share = rng.uniform(config.min_mask_ratio, config.max_mask_ratio)
    return draw_covering_spans(share, size, config.max_span_chars, min(config.max_spans, masks), rng)


def draw_psm_span(size: int, rng: np.random.Generator) -> list[Span]:
    """Draw the one span between two uniform cuts; return no span if they coincide."""
    start, end = sorted(int(cut) for cut in rng.integers(0, size + 1, size=2))
    return [(start, end)] if start < end else []


def draw_ul2_spans(size: int, masks: int, rng: np.random.Generator) -> list[Span]:
    """Draw the spans of one of UL2's denoisers with equal probability: R, the two X, or S.

    S masks all text after a uniform cut. A denoiser has as many spans as its share needs; if the vocabulary has too few
    masks, the spans are longer.
    """
    chosen = int(rng.integers(len(UL2_DENOISERS) + 1))
    if chosen == len(UL2_DENOISERS):
        return [(int(rng.integers(1, size)), size)]
    share, tokens = UL2_DENOISERS[chosen]
    return draw_covering_spans(share, size, 2 * tokens * CHARS_PER_TOKEN - 1, masks, rng)


def _move_ends_to_lines(
    text: str, spans: Sequence[Span], config: ObjectiveConfig, rng: np.random.Generator
) -> list[Span]:
    """Move the ends of some spans to just after the nearest newline, where the next span allows it.

    The nearest newline may be before or after the drawn end, so that the expected masked share does not change.
    """
    limits = [start for start, _ in spans[1:]] + [len(text) + 1]
    drawn = []
    for (start, end), limit in zip(spans, limits, strict=True):
        if rng.random() < config.line_end_share:
            after, before = text.find("\n", end - 1) + 1, text.rfind("\n", start, end - 1) + 1
            ends = [at for at in (after, before) if start < at < limit]
            end = min(ends, key=lambda at: abs(at - end), default=end)
        drawn.append((start, end))
    return drawn


def _move_starts_to_lines(
    text: str, spans: Sequence[Span], config: ObjectiveConfig, rng: np.random.Generator
) -> list[Span]:
    """Move some spans back to the start of their first line or of the line before, where there is space."""
    limits = [-1] + [end for _, end in spans[:-1]]
    drawn = []
    for (start, end), limit in zip(spans, limits, strict=True):
        if rng.random() < config.early_start_share:
            begin = text.rfind("\n", 0, start) + 1
            earlier = text.rfind("\n", 0, max(0, begin - 1)) + 1
            target = earlier if rng.random() < 0.5 else begin
            moved = next((at for at in (target, begin) if limit < at), start)
            start, end = moved, end - (start - moved)
        drawn.append((start, end))
    return drawn


def _move_starts_to_tokens(
    spans: Sequence[Span], boundaries: IntArray, config: ObjectiveConfig, rng: np.random.Generator
) -> list[Span]:
    """Move the starts of some spans to the nearest token boundary, before or after, where there is space."""
    drawn: list[Span] = []
    limit = -1
    for start, end in spans:
        if rng.random() < config.token_start_share:
            after = int(np.searchsorted(boundaries, start))
            near = [int(at) for at in boundaries[max(0, after - 1) : after + 1] if limit < at < end]
            start = min(near, key=lambda at: abs(at - start), default=start)
        drawn.append((start, end))
        limit = end
    return drawn


def draw_dense_spans(
    text: str, config: ObjectiveConfig, rng: np.random.Generator, *, masks: int
) -> list[Span]:
    """Draw short spans within lines, as an editor requests them.

    A line has at most one span; adjacent lines, where spans could touch, never both have one. The number and lengths of
    the spans decide the masked share, which never exceeds `max_mask_ratio`.
    """
    lines = _line_ranges(text)[int(rng.integers(2)) :: 2]
    lines = [(start, end) for start, end in lines if text[start:end].strip()]
    rng.shuffle(lines)
    remaining = config.max_mask_ratio * len(text)
    spans: list[Span] = []
    for first, last in lines[: min(config.max_spans, masks)]:
        # Indentation is never requested alone.
        first += len(text[first:last]) - len(text[first:last].lstrip())
        start = int(rng.integers(first, last))
        end = min(last, start + int(rng.integers(1, config.dense_span_chars + 1)))
        if rng.random() < config.line_end_share:
            end = last
        if (remaining := remaining - (end - start)) < 0:
            break
        spans.append((start, end))
    return sorted(spans)


def _line_ranges(text: str) -> list[Span]:
    """Return the character ranges of the lines, without newlines."""
    ranges, start = [], 0
    for line in text.split("\n"):
        ranges.append((start, start + len(line)))
        start += len(line) + 1
    return ranges


IntArray = npt.NDArray[np.int64]
Span = tuple[int, int]

GIBBS_SWEEPS = 8
"""Number of times that each length is redrawn in a pair; two lengths are exact after the first."""


def draw_lengths(total: int, max_length: int, max_spans: int, rng: np.random.Generator) -> IntArray:
    """Draw independent uniform lengths from 1 to `max_length`, conditioned on their sum `total`.

    The number of spans gives them the mean of the uniform distribution; it is rounded up or down at random.
    No length depends on its index.

    Args:
        total: sum of the lengths, at least 1.
        max_length: maximum length. It grows to twice the required mean if `max_spans` such spans are too few to
            reach the sum.
        max_spans: maximum number of spans, at least 1.
        rng: random generator.

    Returns:
        int64 [spans].
    """
    max_length = min(max_length, total)
    count = max(1, min(total, int(2 * total / (max_length + 1) + rng.random())))
    if count > max_spans:
        count = max_spans
        max_length = max(max_length, math.ceil(2 * total / count))
    lengths = np.full(count, total // count, dtype=np.int64)
    lengths[: total % count] += 1
    lengths = rng.permutation(lengths)
    half = count // 2
    # Gibbs sampling: the sum of a pair stays, and its split is uniform among the allowed ones.
    for _ in range(GIBBS_SWEEPS if half else 0):
        order = rng.permutation(count)
        one, other = order[:half], order[half : 2 * half]
        sums = lengths[one] + lengths[other]
        lengths[one] = rng.integers(np.maximum(1, sums - max_length), np.minimum(max_length, sums - 1) + 1)
        lengths[other] = sums - lengths[one]
    return lengths


def draw_covering_spans(
    share: float, size: int, max_length: int, max_spans: int, rng: np.random.Generator
) -> list[Span]:
    """Draw spans of uniform lengths that cover this share of `size` characters, and at least one character."""
    total = min(size - 1, max(1, round(share * size)))
    gaps = size - total + 1
    return place_spans(draw_lengths(total, max_length, min(max_spans, gaps), rng).tolist(), size, rng)


def place_spans(lengths: Sequence[int], size: int, rng: np.random.Generator) -> list[Span]:
    """Place spans of these lengths in a text of `size` characters; the gaps between them are uniform."""
    inner_gaps = len(lengths) - 1
    free = size - sum(lengths) - inner_gaps
    cuts = np.sort(rng.integers(0, free + 1, size=len(lengths)))
    spans, before = [], 0
    for number, (cut, length) in enumerate(zip(cuts.tolist(), lengths, strict=True)):
        start = cut + before + number
        spans.append((start, start + length))
        before += length
    return spans


def draw_syntax_spans(text: str, config: ObjectiveConfig, rng: np.random.Generator) -> list[Span]:
    """Draw random nodes until none fits into the rest of the drawn share of the text.

    The probability of a node is proportional to its characters, as for a random span of characters. Text that a row
    cuts off still has a tree, with errors at the cut.

    Raises:
        TrainingError: the grammar is not installed.
    """
    remaining = rng.uniform(config.min_mask_ratio, config.max_mask_ratio) * len(text)
    nodes = [
        (start, end)
        for start, end in _node_ranges(text, config.syntax_language)
        if end - start <= min(remaining, config.max_span_chars)
    ]
    chosen: list[Span] = []
    while nodes and len(chosen) < config.max_spans:
        sizes = np.array([end - start for start, end in nodes], dtype=np.float64)
        start, end = nodes[int(rng.choice(len(nodes), p=sizes / sizes.sum()))]
        chosen.append((start, end))
        remaining -= end - start
        nodes = [
            (one, other) for one, other in nodes if (other < start or one > end) and other - one <= remaining
        ]
    return sorted(chosen)


def _node_ranges(text: str, language: str) -> list[Span]:
    """Return the character ranges of the named nodes except the root, each range once."""
    data = text.encode()
    at = _character_offsets(text)
    ranges: set[Span] = set()
    stack = list(_load_parser(language).parse(data).root_node.children)
    while stack:
        node = stack.pop()
        if node.is_named and node.end_byte > node.start_byte:
            ranges.add((int(at[node.start_byte]), int(at[node.end_byte])))
        stack.extend(node.children)
    return sorted(span for span in ranges if span[0] < span[1])


def _character_offsets(text: str) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Map each byte offset of the UTF-8 text, its end included, to a character offset."""
    if text.isascii():
        return np.arange(len(text) + 1)
    widths = [len(character.encode()) for character in text]
    return np.append(np.repeat(np.arange(len(text)), widths), len(text))


@cache
def _load_parser(language: str) -> Any:
    try:
        tree_sitter = importlib.import_module("tree_sitter")
        grammar = importlib.import_module(f"tree_sitter_{language}")
    except ModuleNotFoundError as error:
        raise TrainingError(
            f"objective.syntax_share needs the grammar of {language}; install it with: pip install tree-sitter"
            f" tree-sitter-{language} ({error.name} is not installed)."
        ) from None
    return tree_sitter.Parser(tree_sitter.Language(grammar.language()))
