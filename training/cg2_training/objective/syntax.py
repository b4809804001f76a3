"""Spans that are nodes of the syntax tree (AST-FIM, Gong et al. 2025, arXiv 2506.00204)."""

from __future__ import annotations

import importlib
from functools import cache
from typing import Any

import numpy as np

from cg2_training.errors import TrainingError
from cg2_training.objective.config import ObjectiveConfig
from cg2_training.objective.placement import Span


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
