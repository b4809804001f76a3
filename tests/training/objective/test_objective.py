"""Span corruption loses nothing, crosses no document and follows the stated distributions."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cg2_training.errors import TrainingError
from cg2_training.objective import (
    IGNORED,
    ObjectiveConfig,
    choose_spans,
    corrupt,
    corrupt_row,
    make_causal_row,
    make_labels,
)
from cg2ls.models.codegen2 import CodeTokenizer

CONFIG = ObjectiveConfig(max_span_chars=50, max_spans=6)
ROW_KINDS = {
    "span corruption": CONFIG,
    "PSM": replace(CONFIG, infill="psm"),
    "UL2": replace(CONFIG, infill="ul2"),
    "syntax": replace(CONFIG, syntax_share=1.0),
    "early starts": replace(CONFIG, early_start_share=1.0),
    "fragments": replace(CONFIG, fragment_share=1.0),
}
kinds = st.sampled_from(sorted(ROW_KINDS)).map(ROW_KINDS.__getitem__)
texts = st.text(st.sampled_from(list("ab (\n\té🦊<>_1x")), max_size=300)


def restore(tokens: list[int], tokenizer: CodeTokenizer) -> str:
    """The text of a corrupted part, put together again from prompt and answers."""
    special = tokenizer.special
    middle = tokens.index(special.sep)
    assert tokens[middle - 1] == special.end_of_text
    prompt, answers = tokens[: middle - 1], tokens[middle + 1 : -1]
    assert tokens[-1] == special.end_of_text
    spans: dict[int, bytes] = {}
    while answers:
        end = answers.index(special.eom)
        spans[answers[0]] = tokenizer.decode_bytes(answers[1:end])
        answers = answers[end + 1 :]
    pieces = [spans.pop(token) if token in spans else tokenizer.decode_bytes([token]) for token in prompt]
    assert not spans, "every answer has its mask"
    return b"".join(pieces).decode()


@given(kinds, texts, st.integers(0, 10_000))
def test_spans_are_ordered_disjoint_and_inside(config: ObjectiveConfig, text: str, seed: int) -> None:
    spans = choose_spans(text, config, np.random.default_rng(seed), masks=20)
    edges = [edge for span in spans for edge in span]
    assert all(start < end for start, end in spans)
    assert all(end < start for (_, end), (start, _) in pairwise(spans)), "neighbours do not touch"
    assert not edges or (edges[0] >= 0 and edges[-1] <= len(text))
    assert len(spans) <= (20 if config.infill == "ul2" else config.max_spans)


@given(kinds, texts, st.integers(0, 10_000))
def test_every_character_comes_back_exactly_once(
    tokenizer: CodeTokenizer, config: ObjectiveConfig, text: str, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    spans = choose_spans(text, config, rng, masks=20)
    tokens = corrupt(text, spans, tokenizer, fragment_share=config.fragment_share, rng=rng)
    assert restore(tokens, tokenizer) == text


def test_lengths_are_uniform_and_the_ratio_is_in_its_range() -> None:
    config = ObjectiveConfig(
        max_span_chars=40, max_spans=1000, min_mask_ratio=0.2, max_mask_ratio=0.4, line_end_share=0.0
    )
    text = "x" * 20_000
    lengths: list[int] = []
    for seed in range(20):
        spans = choose_spans(text, config, np.random.default_rng(seed), masks=899)
        masked = sum(end - start for start, end in spans) / len(text)
        assert 0.2 <= masked <= 0.4
        lengths += [end - start for start, end in spans]
    assert min(lengths) == 1
    assert max(lengths) == 40
    counts = np.histogram(lengths, bins=4, range=(1, 41))[0] / len(lengths)
    assert counts == pytest.approx(0.25, abs=0.03)


def test_line_end_spans_end_after_a_newline() -> None:
    text = "value = compute(first, second)\n" * 40
    config = ObjectiveConfig(line_end_share=1.0, max_spans=1)
    for seed in range(50):
        ((_, end),) = choose_spans(text, config, np.random.default_rng(seed), masks=899)
        assert text[end - 1] == "\n"


def test_parts_of_a_row_are_corrupted_by_themselves(tokenizer: CodeTokenizer) -> None:
    special = tokenizer.special
    documents = ["alpha = 1\n" * 12, "beta = 2\n" * 12, "gamma = 3\n" * 12]
    row = [token for text in documents for token in [*tokenizer.encode(text), special.end_of_text]]
    tokens = corrupt_row(row, tokenizer, CONFIG, np.random.default_rng(3), max_tokens=2000).tokens
    starts = [i for i, token in enumerate(tokens) if token == special.sep]
    assert len(starts) == len(documents)
    begin = 0
    for document, sep in zip(documents, starts, strict=True):
        masks = sum(token >= special.first_mask_id for token in tokens[begin:sep])
        end = [i for i in range(sep, len(tokens)) if tokens[i] == special.eom][masks - 1] + 2
        assert restore(tokens[begin:end], tokenizer) == document
        begin = end
    assert begin == len(tokens)


def test_tokens_written_by_the_server_have_no_loss(tokenizer: CodeTokenizer) -> None:
    special = tokenizer.special
    tokens = np.array(
        [65, special.mask(1), 66, special.end_of_text, special.sep, special.mask(1), 67, special.eom, 68]
    )
    bearing = [int(label) for label in make_labels(tokens, special) if label != IGNORED]
    assert bearing == [66, 67, special.eom, 68]


def test_the_end_of_a_document_bears_loss(tokenizer: CodeTokenizer) -> None:
    special = tokenizer.special
    tokens = np.array([65, 66, special.end_of_text, 67])
    assert make_labels(tokens, special).tolist() == [66, special.end_of_text, 67]


def test_psm_masks_the_text_between_two_uniform_cuts() -> None:
    config = ObjectiveConfig(infill="psm")
    spans = [choose_spans("x" * 99, config, np.random.default_rng(seed), masks=899) for seed in range(4000)]
    single = [span for (span,) in filter(None, spans)]
    assert len(single) > 3900, "the two cuts rarely fall together"
    lengths = np.array([end - start for start, end in single])
    assert lengths.mean() == pytest.approx(100 / 3, rel=0.05), "the mean distance of two uniform points"
    assert {0, 99} <= {edge for span in single for edge in span}


def test_ul2_mixes_short_long_and_dense_spans_with_the_rest_of_the_text() -> None:
    size, config = 6000, ObjectiveConfig(infill="ul2", max_spans=3)
    seen: dict[str, int] = {}
    for seed in range(400):
        spans = choose_spans("x" * size, config, np.random.default_rng(seed), masks=899)
        share = sum(end - start for start, end in spans) / size
        mean = np.mean([end - start for start, end in spans])
        if len(spans) == 1:
            assert spans[0][1] == size
            kind = "S"
        elif share > 0.4:
            kind = "X dense"
            assert share == pytest.approx(0.5, abs=0.001)
            assert mean == pytest.approx(9, abs=0.5)
        else:
            kind = "X long" if mean > 40 else "R"
            assert share == pytest.approx(0.15, abs=0.001)
            assert mean == pytest.approx(96 if mean > 40 else 9, rel=0.25)
        seen[kind] = seen.get(kind, 0) + 1
    assert {kind: count / 400 for kind, count in seen.items()} == {
        kind: pytest.approx(0.25, abs=0.07) for kind in ("R", "S", "X dense", "X long")
    }


def test_syntax_spans_are_nodes_of_the_tree() -> None:
    text = "def add(first, second):\n    return first + second\n\n\nclass Empty:\n    pass\n"
    config = ObjectiveConfig(syntax_share=1.0, max_spans=1, min_mask_ratio=0.2, max_mask_ratio=0.7)
    found = {
        text[start:end]
        for seed in range(300)
        for start, end in choose_spans(text, config, np.random.default_rng(seed), masks=899)
    }
    assert {"first + second", "return first + second", "(first, second)", "Empty"} <= found
    assert not any(piece.startswith(("irst", "eturn", "ef ")) for piece in found)


def test_syntax_spans_count_characters_not_bytes() -> None:
    text = 'name = "é🦊é"\nother = 2\n'
    config = ObjectiveConfig(syntax_share=1.0, max_spans=1, min_mask_ratio=0.2, max_mask_ratio=0.7)
    found = {
        text[start:end]
        for seed in range(200)
        for start, end in choose_spans(text, config, np.random.default_rng(seed), masks=899)
    }
    assert {'"é🦊é"', "other", "other = 2"} <= found


def test_a_missing_grammar_is_named() -> None:
    config = ObjectiveConfig(syntax_share=1.0, syntax_language="cobol")
    with pytest.raises(TrainingError, match="needs the grammar of cobol"):
        choose_spans("some text", config, np.random.default_rng(1), masks=899)


def test_early_starts_begin_where_a_line_begins() -> None:
    text = "value = compute(first, second)\n" * 40
    config = ObjectiveConfig(early_start_share=1.0, line_end_share=0.0, max_spans=1)
    for seed in range(50):
        ((start, _),) = choose_spans(text, config, np.random.default_rng(seed), masks=899)
        assert start == 0 or text[start - 1] == "\n"


def test_fragments_are_tokenized_by_themselves(tokenizer: CodeTokenizer) -> None:
    text = "return " * 40
    whole = len(tokenizer.encode(text))
    rng = np.random.default_rng(1)
    cut = [len(corrupt(text, [(0, 7)], tokenizer, fragment_share=1.0, rng=rng)) for _ in range(20)]
    assert max(cut) > whole + 3, "words that were cut take more tokens"


def test_a_prefix_lm_marks_each_part_s_prompt(tokenizer: CodeTokenizer) -> None:
    special = tokenizer.special
    documents = ["alpha = 1\n" * 12, "beta = 2\n" * 12]
    row = [token for text in documents for token in [*tokenizer.encode(text), special.end_of_text]]
    corrupted = corrupt_row(row, tokenizer, CONFIG, np.random.default_rng(3), max_tokens=2000)
    assert len(corrupted.regions) == len(corrupted.tokens)
    first, second = (i for i, token in enumerate(corrupted.tokens) if token == special.sep)
    assert corrupted.regions[0] == corrupted.regions[first] == 1
    assert corrupted.regions[first + 1] == 0
    assert corrupted.regions[second] == 2

    causal = make_causal_row(row, special.end_of_text, np.random.default_rng(3))
    assert causal.tokens == row
    assert set(causal.regions) == {0, 1, 2}
    assert make_causal_row(row, special.end_of_text).regions == [0] * len(row)
