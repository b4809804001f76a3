"""Which characters of a text are masked.

Spans are disjoint, ordered, non-empty ranges of characters, and neighbours never touch.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cg2_training.objective.config import ObjectiveConfig

Span = tuple[int, int]

CHARS_PER_TOKEN = 3
"""About what code has; UL2 states its lengths in tokens."""

UL2_DENOISERS = ((0.15, 3), (0.15, 32), (0.5, 3))
"""Share masked and mean span in tokens: R, and the two extremes X (Tay et al. 2022, table 1, for short inputs)."""


def choose_spans(text: str, config: ObjectiveConfig, rng: np.random.Generator) -> list[Span]:
    """The spans of one part of a row; none where the text is too short."""
    if len(text) < 2:
        return []
    if config.infill == "psm":
        return psm_span(len(text), rng)
    if config.infill == "ul2":
        return ul2_spans(len(text), config.max_spans, rng)
    if config.syntax_share and rng.random() < config.syntax_share:
        from cg2_training.objective.syntax import syntax_spans

        if spans := syntax_spans(text, config, rng):
            return spans
    spans = uniform_spans(len(text), config, rng)
    spans = _to_line_ends(text, spans, config, rng)
    return _from_line_starts(text, spans, config, rng) if config.early_start_share else spans


def uniform_spans(size: int, config: ObjectiveConfig, rng: np.random.Generator) -> list[Span]:
    """Spans of uniform lengths, drawn until they cover a share of the text that is drawn first."""
    target = rng.uniform(config.min_mask_ratio, config.max_mask_ratio) * size
    lengths: list[int] = []
    while len(lengths) < config.max_spans and sum(lengths) < target:
        room = max(1, round(target - sum(lengths)))
        lengths.append(int(rng.integers(1, min(config.max_span_chars, room) + 1)))
    return place(lengths, size, rng)


def place(lengths: Sequence[int], size: int, rng: np.random.Generator) -> list[Span]:
    """Spans of these lengths in a text of `size` characters; the unmasked rest is spread over the gaps uniformly."""
    inner_gaps = len(lengths) - 1
    free = size - sum(lengths) - inner_gaps
    if free < 0:
        return []
    cuts = np.sort(rng.integers(0, free + 1, size=len(lengths)))
    starts = [int(cut) + sum(lengths[:i]) + i for i, cut in enumerate(cuts)]
    return [(start, start + length) for start, length in zip(starts, lengths, strict=True)]


def psm_span(size: int, rng: np.random.Generator) -> list[Span]:
    """The one span between two uniform cuts; none if they fall together."""
    start, end = sorted(int(cut) for cut in rng.integers(0, size + 1, size=2))
    return [(start, end)] if start < end else []


def ul2_spans(size: int, max_spans: int, rng: np.random.Generator) -> list[Span]:
    """Spans of one of UL2's denoisers, each as likely: R, the two X, or S, which masks all behind a uniform cut."""
    chosen = int(rng.integers(len(UL2_DENOISERS) + 1))
    if chosen == len(UL2_DENOISERS):
        return [(int(rng.integers(1, size)), size)]
    share, tokens = UL2_DENOISERS[chosen]
    mean = tokens * CHARS_PER_TOKEN
    lengths: list[int] = []
    while len(lengths) < max_spans and sum(lengths) < share * size:
        room = max(1, round(share * size - sum(lengths)))
        lengths.append(min(room, int(rng.integers(1, 2 * mean))))
    return place(lengths, size, rng)


def _to_line_ends(
    text: str, spans: Sequence[Span], config: ObjectiveConfig, rng: np.random.Generator
) -> list[Span]:
    """Draws some spans out to just behind the next newline, where the next span leaves room."""
    limits = [start for start, _ in spans[1:]] + [len(text) + 1]
    drawn = []
    for (start, end), limit in zip(spans, limits, strict=True):
        newline = text.find("\n", end - 1)
        reach = newline + 1 if rng.random() < config.line_end_share and 0 <= newline < limit - 1 else end
        drawn.append((start, reach))
    return drawn


def _from_line_starts(
    text: str, spans: Sequence[Span], config: ObjectiveConfig, rng: np.random.Generator
) -> list[Span]:
    """Draws some spans back to the start of their first line or of the one before, where there is room."""
    limits = [-1] + [end for _, end in spans[:-1]]
    drawn = []
    for (start, end), limit in zip(spans, limits, strict=True):
        if rng.random() < config.early_start_share:
            begin = text.rfind("\n", 0, start) + 1
            earlier = text.rfind("\n", 0, max(0, begin - 1)) + 1
            wanted = earlier if rng.random() < 0.5 else begin
            start = next((at for at in (wanted, begin) if limit < at), start)
        drawn.append((start, end))
    return drawn
