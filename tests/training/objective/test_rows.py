"""A corrupted row fits its context, loses no answer for any recipe, and may have the server's layout."""

from __future__ import annotations

import sysconfig
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cg2_training.data.batches import RowStream
from cg2_training.data.row_stats import collect_row_stats
from cg2_training.data.shards import TokenShard
from cg2_training.objective import ObjectiveConfig, choose_spans, corrupt_row, make_labels
from cg2_training.objective.rows import token_starts
from cg2ls.models.codegen2 import CodeTokenizer, SpecialTokens
from tests.training.objective.recipes import RECIPES

OBJECTIVES = {
    **{name: recipe.objective for name, recipe in RECIPES.items()},
    "default": ObjectiveConfig(),
    "one span": ObjectiveConfig(max_spans=1),
    "crowded": ObjectiveConfig(max_spans=500, max_span_chars=4, max_mask_ratio=0.9),
    "psm": ObjectiveConfig(infill="psm"),
    "ul2": ObjectiveConfig(infill="ul2"),
    "syntax": ObjectiveConfig(syntax_share=1.0),
    "early starts": ObjectiveConfig(early_start_share=1.0, line_end_share=1.0),
    "fragments": ObjectiveConfig(fragment_share=1.0),
    "dense": ObjectiveConfig(dense_share=1.0),
    "token starts": ObjectiveConfig(token_start_share=1.0),
    "anchored": ObjectiveConfig(anchor_share=1.0),
    "anchored far": ObjectiveConfig(anchor_share=0.7, anchor_max_chars=3000, dense_share=0.5),
    "suffix first": ObjectiveConfig(suffix_first_share=1.0),
    "suffix first psm": ObjectiveConfig(suffix_first_share=0.5, infill="psm"),
    "near": ObjectiveConfig(near_suffix_share=1.0),
    "served": ObjectiveConfig(
        anchor_share=0.5,
        suffix_first_share=0.3,
        near_suffix_share=0.5,
        dense_share=0.5,
        token_start_share=0.7,
        fragment_share=0.2,
    ),
    "dense token starts": ObjectiveConfig(token_start_share=0.5, dense_share=0.5, early_start_share=0.5),
}
LIBRARY = Path(sysconfig.get_paths()["stdlib"])
STDLIB_MODULES = [
    (LIBRARY / f"{name}.py").read_text("utf-8") for name in ("heapq", "shlex", "this", "keyword")
]
ODD = ["", "x", "é🦊" * 300, "\n" * 400, "<mask_1><eom><sep>" * 40, "a" * 3000, "    " * 500]
texts = st.lists(st.sampled_from([*STDLIB_MODULES, *ODD]), min_size=1, max_size=6)


def check(tokens: list[int], special: SpecialTokens) -> int:
    """Reads a row by its grammar; returns how many corrupted parts it has."""
    parts = 0
    while special.sep in tokens:
        sep = tokens.index(special.sep)
        assert tokens[sep - 1] == special.end_of_text
        ends = [i for i in range(sep - 1) if tokens[i] == special.end_of_text]
        prompt = tokens[(ends[-1] + 1 if ends else 0) : sep - 1]
        asked = [token for token in prompt if token >= special.first_mask_id]
        assert asked == [special.mask(number) for number in range(1, len(asked) + 1)]
        assert asked
        tokens = tokens[sep + 1 :]
        for mask in asked:
            assert tokens[0] == mask
            end = tokens.index(special.eom)
            assert end > 1, "an answer has text"
            assert max(tokens[1:end]) < special.first_mask_id
            assert special.end_of_text not in tokens[:end]
            tokens = tokens[end + 1 :]
        assert tokens[0] == special.end_of_text, "the published models write it after the last answer"
        tokens, parts = tokens[1:], parts + 1
    assert not any(token >= special.first_mask_id or token == special.eom for token in tokens)
    return parts


@settings(max_examples=150)
@given(
    st.sampled_from(sorted(OBJECTIVES)), st.integers(0, 2), texts, st.integers(2, 2049), st.integers(0, 99)
)
def test_every_mask_has_its_answer_and_every_answer_ends(
    tokenizers: dict[int, CodeTokenizer], name: str, which: int, documents: list[str], room: int, seed: int
) -> None:
    tokenizer = tokenizers[sorted(tokenizers)[which]]
    special = tokenizer.special
    packed = [token for text in documents for token in [*tokenizer.encode(text), special.end_of_text]]
    rng = np.random.default_rng(seed)
    row = corrupt_row(packed[seed : seed + room], tokenizer, OBJECTIVES[name], rng, max_tokens=room)
    assert len(row.tokens) == len(row.regions) <= room
    check(row.tokens, special)


def test_a_row_with_room_for_marks_is_corrupted(tokenizers: dict[int, CodeTokenizer]) -> None:
    for tokenizer in tokenizers.values():
        packed = tokenizer.encode(STDLIB_MODULES[0])[:300]
        for objective in OBJECTIVES.values():
            row = corrupt_row(packed, tokenizer, objective, np.random.default_rng(2), max_tokens=300)
            parts = check(row.tokens, tokenizer.special)
            assert parts == 1 or (parts and objective.near_suffix_share), "one document"
            assert len(row.tokens) > 250, "little of the row is left empty"


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_s_rows_are_full_and_whole(name: str, shard_of: Callable[..., TokenShard]) -> None:
    recipe = RECIPES[name]
    shard = shard_of(recipe)
    stream = RowStream(shard, recipe.model.context_length, replace(recipe.objective, infill_share=1.0), 1)
    lengths = []
    for number in range(12):
        tokens = stream.make_row(number).tokens
        check(tokens, shard.tokenizer.special)
        lengths.append(len(tokens))
    assert max(lengths) <= recipe.model.context_length + 1
    assert np.mean(lengths) > 0.98 * recipe.model.context_length


def test_the_end_after_the_last_answer_has_loss(tokenizers: dict[int, CodeTokenizer]) -> None:
    tokenizer = tokenizers[min(tokenizers)]
    special = tokenizer.special
    packed = tokenizer.encode(STDLIB_MODULES[0])[:200]
    tokens = np.array(
        corrupt_row(packed, tokenizer, ObjectiveConfig(), np.random.default_rng(2), max_tokens=201).tokens
    )
    assert list(tokens[-2:]) == [special.eom, special.end_of_text]
    assert list(make_labels(tokens, special)[-2:]) == [special.eom, special.end_of_text]


DENSE = ObjectiveConfig(dense_share=1.0, max_spans=16)
STARTS = ObjectiveConfig(token_start_share=1.0, line_end_share=0.0)
pieces_of_code = st.text(st.sampled_from(list("ab (\n\té🦊<>_1x")), max_size=300)


@given(pieces_of_code, st.integers(0, 10_000))
def test_dense_spans_stay_in_their_lines(text: str, seed: int) -> None:
    spans = choose_spans(text, replace(DENSE, max_mask_ratio=0.9), np.random.default_rng(seed), masks=20)
    assert all(start < end for start, end in spans)
    assert all(end < start for (_, end), (start, _) in pairwise(spans))
    if len([line for line in text.split("\n") if line.strip()]) > 40:
        assert not any("\n" in text[start:end] for start, end in spans)


@given(pieces_of_code, st.integers(0, 10_000))
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
