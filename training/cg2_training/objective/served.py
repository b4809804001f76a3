"""Parts laid out as the server lays out a prompt: known text before the cursor, and a block of text below it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cg2_training.objective.config import ObjectiveConfig
from cg2_training.objective.spans import Span


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
