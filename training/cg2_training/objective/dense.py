"""Many short spans within lines, as an editor asks for them."""

from __future__ import annotations

import numpy as np

from cg2_training.objective.config import ObjectiveConfig
from cg2_training.objective.spans import Span


def dense_spans(text: str, config: ObjectiveConfig, rng: np.random.Generator, *, masks: int) -> list[Span]:
    """Spans on random lines, at most one a line and none on neighbouring lines, which could touch.

    Their share of the text is what their number and lengths make it, never above `max_mask_ratio`.
    """
    lines = _lines(text)[int(rng.integers(2)) :: 2]
    lines = [(start, end) for start, end in lines if text[start:end].strip()]
    rng.shuffle(lines)
    room = config.max_mask_ratio * len(text)
    spans: list[Span] = []
    for first, last in lines[: min(config.max_spans, masks)]:
        # Nobody is asked to complete indentation.
        first += len(text[first:last]) - len(text[first:last].lstrip())
        start = int(rng.integers(first, last))
        end = min(last, start + int(rng.integers(1, config.dense_span_chars + 1)))
        if rng.random() < config.line_end_share:
            end = last
        if (room := room - (end - start)) < 0:
            break
        spans.append((start, end))
    return sorted(spans)


def _lines(text: str) -> list[Span]:
    """Character ranges of the lines, newlines not included."""
    found, start = [], 0
    for line in text.split("\n"):
        found.append((start, start + len(line)))
        start += len(line) + 1
    return found
