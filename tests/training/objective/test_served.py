"""Options that train a model as it is served."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cg2_training.data.batches import RowStream
from cg2_training.data.row_stats import collect_row_stats
from cg2_training.data.shards import TokenShard
from cg2_training.objective import ObjectiveConfig, choose_spans
from cg2_training.objective.rows import token_starts
from cg2ls.models.codegen2 import CodeTokenizer
from tests.training.objective.recipes import RECIPES

DENSE = ObjectiveConfig(dense_share=1.0, max_spans=16)
STARTS = ObjectiveConfig(token_start_share=1.0, line_end_share=0.0)
texts = st.text(st.sampled_from(list("ab (\n\té🦊<>_1x")), max_size=300)


@given(texts, st.integers(0, 10_000))
def test_dense_spans_stay_in_their_lines(text: str, seed: int) -> None:
    spans = choose_spans(text, replace(DENSE, max_mask_ratio=0.9), np.random.default_rng(seed), masks=20)
    assert all(start < end for start, end in spans)
    assert all(end < start for (_, end), (start, _) in pairwise(spans))
    if len([line for line in text.split("\n") if line.strip()]) > 40:
        assert not any("\n" in text[start:end] for start, end in spans)


@given(texts, st.integers(0, 10_000))
def test_spans_that_begin_at_tokens_lose_nothing(tokenizer: CodeTokenizer, text: str, seed: int) -> None:
    tokens = tokenizer.encode(text)
    boundaries = token_starts(tokens, text, tokenizer) if tokens else None
    spans = choose_spans(text, STARTS, np.random.default_rng(seed), masks=20, boundaries=boundaries)
    assert all(0 <= start < end <= len(text) for start, end in spans)
    assert all(end < start for (_, end), (start, _) in pairwise(spans))


def test_token_starts_are_where_tokens_begin(tokenizer: CodeTokenizer) -> None:
    text = 'name = "é🦊é"\nother = 2\n'
    tokens = tokenizer.encode(text)
    starts = token_starts(tokens, text, tokenizer)
    assert starts is not None
    for at in starts.tolist():
        cut = [len(tokenizer.decode_bytes(tokens[:number])) for number in range(len(tokens))]
        assert len(text[:at].encode()) in cut
    assert token_starts(tokens, text + "x", tokenizer) is None


def test_nearly_all_spans_begin_at_a_token(tokenizer: CodeTokenizer) -> None:
    text = "value = compute(first, second)\n" * 40
    boundaries = token_starts(tokenizer.encode(text), text, tokenizer)
    assert boundaries is not None

    def share(config: ObjectiveConfig) -> float:
        known = set(boundaries.tolist())
        begins = [
            start in known
            for seed in range(60)
            for start, _ in choose_spans(
                text, config, np.random.default_rng(seed), masks=20, boundaries=boundaries
            )
        ]
        return float(np.mean(begins))

    assert share(STARTS) > 0.98
    assert share(replace(STARTS, token_start_share=0.0)) < 0.7


@pytest.mark.parametrize("name", ["python-27m", "python-small"])
def test_dense_rows_have_several_times_the_middle_starts(
    name: str, shard_of: Callable[..., TokenShard]
) -> None:
    recipe = RECIPES[name]
    starts = {}
    for dense in (0.0, 1.0):
        objective = replace(recipe.objective, infill_share=1.0, dense_share=dense)
        stats = collect_row_stats(
            RowStream(shard_of(recipe), recipe.model.context_length, objective, 3), 0, 40
        )
        starts[dense] = stats.to_dict()["middle_starts_per_1000_labels"]
        assert stats.cut == 0
        if dense:
            assert stats.to_dict()["single_line_share"] > 0.95
    assert starts[1.0] > 3 * starts[0.0]
