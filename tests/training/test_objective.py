"""Span corruption loses nothing, crosses no document and follows the stated distributions."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cg2_training.objective import IGNORED, ObjectiveConfig, choose_spans, corrupt, corrupt_row, labels_of
from cg2ls.codegen2 import CodeTokenizer

CONFIG = ObjectiveConfig(max_span_chars=50, max_spans=6)
texts = st.text(st.sampled_from(list("ab (\n\té🦊<>_1x")), max_size=300)


def restore(tokens: list[int], tokenizer: CodeTokenizer) -> str:
    """The text of a corrupted part, put together again from prompt and answers."""
    special = tokenizer.special
    middle = tokens.index(special.sep)
    assert tokens[middle - 1] == special.end_of_text
    prompt, answers = tokens[: middle - 1], tokens[middle + 1 :]
    spans: dict[int, bytes] = {}
    while answers:
        end = answers.index(special.eom)
        spans[answers[0]] = tokenizer.decode_bytes(answers[1:end])
        answers = answers[end + 1 :]
    pieces = [spans.pop(token) if token in spans else tokenizer.decode_bytes([token]) for token in prompt]
    assert not spans, "every answer has its mask"
    return b"".join(pieces).decode()


@given(texts, st.integers(0, 10_000))
def test_spans_are_ordered_disjoint_and_inside(text: str, seed: int) -> None:
    spans = choose_spans(text, CONFIG, np.random.default_rng(seed))
    edges = [edge for span in spans for edge in span]
    assert all(start < end for start, end in spans)
    assert all(end < start for (_, end), (start, _) in pairwise(spans)), "neighbours do not touch"
    assert not edges or (edges[0] >= 0 and edges[-1] <= len(text))
    assert len(spans) <= CONFIG.max_spans


@given(texts, st.integers(0, 10_000))
def test_every_character_comes_back_exactly_once(tokenizer: CodeTokenizer, text: str, seed: int) -> None:
    spans = choose_spans(text, CONFIG, np.random.default_rng(seed))
    assert restore(corrupt(text, spans, tokenizer), tokenizer) == text


def test_lengths_are_uniform_and_the_ratio_is_in_its_range() -> None:
    config = ObjectiveConfig(
        max_span_chars=40, max_spans=1000, min_mask_ratio=0.2, max_mask_ratio=0.4, line_end_share=0.0
    )
    text = "x" * 20_000
    lengths: list[int] = []
    for seed in range(20):
        spans = choose_spans(text, config, np.random.default_rng(seed))
        masked = sum(end - start for start, end in spans) / len(text)
        assert 0.2 <= masked <= 0.4 + 40 / len(text)
        lengths += [end - start for start, end in spans[:-1]]
    assert min(lengths) == 1
    assert max(lengths) == 40
    counts = np.histogram(lengths, bins=4, range=(1, 41))[0] / len(lengths)
    assert counts == pytest.approx(0.25, abs=0.03)


def test_line_end_spans_end_behind_a_newline() -> None:
    text = "value = compute(first, second)\n" * 40
    config = ObjectiveConfig(line_end_share=1.0, max_spans=1)
    for seed in range(50):
        ((_, end),) = choose_spans(text, config, np.random.default_rng(seed))
        assert text[end - 1] == "\n"


def test_parts_of_a_row_are_corrupted_by_themselves(tokenizer: CodeTokenizer) -> None:
    special = tokenizer.special
    documents = ["alpha = 1\n" * 12, "beta = 2\n" * 12, "gamma = 3\n" * 12]
    row = [token for text in documents for token in [*tokenizer.encode(text), special.end_of_text]]
    tokens = corrupt_row(row, tokenizer, CONFIG, np.random.default_rng(3))
    starts = [i for i, token in enumerate(tokens) if token == special.sep]
    assert len(starts) == len(documents)
    begin = 0
    for document, sep in zip(documents, starts, strict=True):
        masks = sum(token >= special.first_mask_id for token in tokens[begin:sep])
        end = [i for i in range(sep, len(tokens)) if tokens[i] == special.eom][masks - 1] + 1
        assert restore(tokens[begin:end], tokenizer) == document
        begin = end
    assert begin == len(tokens)


def test_no_loss_falls_on_what_the_server_writes(tokenizer: CodeTokenizer) -> None:
    special = tokenizer.special
    tokens = np.array(
        [65, special.mask(1), 66, special.end_of_text, special.sep, special.mask(1), 67, special.eom, 68]
    )
    bearing = [int(label) for label in labels_of(tokens, special) if label != IGNORED]
    assert bearing == [66, 67, special.eom, 68]


def test_the_end_of_a_document_bears_loss(tokenizer: CodeTokenizer) -> None:
    special = tokenizer.special
    tokens = np.array([65, 66, special.end_of_text, 67])
    assert labels_of(tokens, special).tolist() == [66, special.end_of_text, 67]
