"""Held-out cursors: prompts are the server's, and scores are about the text that a model would show."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from cg2_training.data.batches import Batch
from cg2_training.data.shards import TokenShard
from cg2_training.evaluate.served import (
    SUFFIXES,
    Predictor,
    by_position,
    draw_places,
    place_batch,
    score_places,
)
from cg2_training.model.codegen import CodeGen, model_predictions
from cg2_training.objective import IGNORED
from cg2_training.run.recipe import Recipe

CONTEXT = 128


def perfect(batch: Batch, *, eom_as: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Predict every label, or another token in place of the last one."""
    predicted = np.where(batch.labels == IGNORED, 0, batch.labels)
    if eom_as is not None:
        for row in range(len(predicted)):
            predicted[row, np.flatnonzero(batch.labels[row] != IGNORED)[-1]] = eom_as
    return np.where(batch.labels == IGNORED, 0.0, 1.0).astype(np.float32), predicted


def test_a_place_is_inside_a_line_and_its_text_is_the_file_s(shard: TokenShard) -> None:
    tokenizer = shard.tokenizer
    source = tokenizer.decode(shard.tokens.tolist())
    places = draw_places(shard, CONTEXT, 30)
    assert len(places) > 10
    for place in places:
        prefix, known, middle, suffix = map(
            tokenizer.decode, (place.prefix, place.known, place.middle, place.suffix)
        )
        assert prefix + known + middle + suffix in source
        assert prefix.endswith("\n"), "the anchor is at the start of a line"
        assert suffix.startswith("\n")
        assert "\n" not in middle
        assert middle.strip()
        assert len(place.prefix) + len(place.known) + len(place.middle) + len(place.suffix) + 5 <= CONTEXT + 1
    assert [place.middle for place in draw_places(shard, CONTEXT, 5)] == [one.middle for one in places[:5]]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_row_is_the_server_s_prompt_and_only_the_middle_has_labels(shard: TokenShard, suffix: Any) -> None:
    special = shard.tokenizer.special
    places = draw_places(shard, CONTEXT, 6)
    batch = place_batch(places, 2, 4, CONTEXT, special, suffix)
    for row in range(4):
        place, other = places[2 + row], places[(3 + row) % len(places)]
        below = {"right": place.suffix, "wrong": other.suffix[: len(place.suffix)], "none": []}[suffix]
        prompt = special.lay_out(place.prefix, below, place.known, fills_in=True)
        tokens = [*prompt, *place.middle, special.eom]
        assert batch.tokens[row, : len(tokens)].tolist() == tokens[:CONTEXT]
        labels = batch.labels[row]
        assert labels[labels != IGNORED].tolist() == [*place.middle, special.eom]
        assert int(np.flatnonzero(labels != IGNORED)[0]) == len(prompt) - 1
        assert not batch.regions[row, len(prompt) - len(place.known) - 1 :].any()
    positions = by_position(batch, special)
    assert (sum(mask.astype(int) for mask in positions.values()) == (batch.labels != IGNORED)).all()
    assert (positions["first"].sum(axis=1) == 1).all()
    assert (positions["eom"].sum(axis=1) == 1).all()


def test_a_line_is_exact_only_with_all_tokens_and_an_end(shard: TokenShard) -> None:
    tokenizer = shard.tokenizer
    newline, letter = tokenizer.encode("\n")[0], tokenizer.encode("q")[0]

    def exact(predict: Predictor) -> float:
        return float(score_places(predict, shard, CONTEXT, 8).to_dict()["exact_line"])

    def one_wrong(batch: Batch) -> tuple[np.ndarray, np.ndarray]:
        losses, predicted = perfect(batch)
        first = np.flatnonzero(batch.labels[0] != IGNORED)[0]
        predicted[0, first] = batch.labels[0, first] + 1
        return losses, predicted

    assert exact(perfect) == 1.0
    assert exact(partial(perfect, eom_as=newline)) == 1.0
    assert exact(partial(perfect, eom_as=tokenizer.special.end_of_text)) == 1.0
    assert exact(partial(perfect, eom_as=letter)) == 0.0
    assert exact(one_wrong) == 7 / 8


def test_nats_are_means_by_position_for_each_suffix(shard: TokenShard) -> None:
    found = score_places(perfect, shard, CONTEXT, 8).to_dict(digits=5)
    assert found["places"] == 8
    assert found["right_suffix"] == found["wrong_suffix"] == found["none_suffix"]
    assert set(found["right_suffix"].values()) <= {0.0, 1.0}
    assert found["right_suffix"]["eom"] == 1.0


def test_another_suffix_changes_what_a_model_expects(recipe: dict[str, Any], shard: TokenShard) -> None:
    model = CodeGen(Recipe.from_dict(recipe).model.config())
    model.init_weights(torch.Generator().manual_seed(3))
    context = recipe["model"]["context_length"]
    found = score_places(partial(model_predictions, model), shard, context, 8).to_dict()
    assert found["places"]
    assert found["right_suffix"] != found["wrong_suffix"] != found["none_suffix"]


def test_a_shard_without_a_suitable_line_has_no_places(shard: TokenShard) -> None:
    assert draw_places(shard, 4, 8) == []
    assert score_places(perfect, shard, 4, 8).places == 0
