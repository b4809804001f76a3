"""Held-out loss is the same for a checkpoint and for its model folder."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from cg2_quantize import ConversionOptions, convert
from cg2_quantize.checkpoint.synthetic import write_random_checkpoint
from cg2_training.data.batches import Batch
from cg2_training.data.shards import ShardSet, TokenShard, tokenize_corpus
from cg2_training.errors import TrainingError
from cg2_training.evaluate.evaluation_target import cross_entropy, open_evaluation_target
from cg2_training.evaluate.losses import EvaluationOptions, Score, evaluate, evaluate_table
from cg2_training.objective import IGNORED, ObjectiveConfig
from cg2ls.models.codegen2 import CodeGenConfig, CodeTokenizer

OBJECTIVE = ObjectiveConfig(max_spans=1, max_span_chars=40)
SHAPE = CodeGenConfig(
    n_layer=2, n_embd=64, n_head=4, rotary_dim=16, n_positions=128, vocab_size=512, n_inner=256, qkv_groups=4
)


def uniform(batch: Batch) -> npt.NDArray[np.float32]:
    """A model that finds every one of 640 tokens equally likely."""
    return np.where(batch.labels == IGNORED, 0, math.log(640)).astype(np.float32)


def test_a_uniform_model_costs_the_logarithm_of_the_vocabulary(shard: TokenShard) -> None:
    result = evaluate(uniform, shard, EvaluationOptions(64, 10_000, OBJECTIVE))
    assert result.causal_nats == pytest.approx(math.log(640), rel=1e-6)
    assert result.infill_nats == pytest.approx(math.log(640), rel=1e-6)
    count_bytes_per_token = math.log2(640) / result.bits_per_byte
    assert count_bytes_per_token == pytest.approx(shard.bytes / len(shard.tokens), rel=0.01)


def test_every_row_counts_once(shard: TokenShard) -> None:
    seen: list[bytes] = []

    def spy(batch: Batch) -> npt.NDArray[np.float32]:
        seen.extend(row.tobytes() for row in batch.tokens)
        return uniform(batch)

    result = evaluate(spy, shard, EvaluationOptions(64, 11, dataclasses.replace(OBJECTIVE, infill_share=1.0)))
    assert result.rows == 11
    assert len(seen) == 22
    assert len(set(seen)) == 22


def test_every_source_and_objective_has_its_own_score(shard: TokenShard) -> None:
    heldout = ShardSet({"code": shard, "text": shard})
    table = evaluate_table(uniform, heldout, EvaluationOptions(64, 20, OBJECTIVE))
    assert list(table) == ["code", "text"]
    for scores in table.values():
        assert list(scores) == ["causal", "continuation", "span_corruption", "psm", "ul2"]
        for one in scores.values():
            assert one.nats_per_token == pytest.approx(math.log(640), rel=1e-6)
            assert one.bytes > one.tokens
    assert table["code"]["psm"].tokens < table["code"]["causal"].tokens, "answers are a part of the rows"


@pytest.mark.parametrize("name", ["causal", "continuation", "span_corruption", "psm"])
def test_a_prefix_lm_is_scored_on_the_labels_of_a_causal_model(shard: TokenShard, name: str) -> None:
    seen: dict[bool, list[Batch]] = {True: [], False: []}

    def score_of(prefix_lm: bool) -> Score:
        def spy(batch: Batch) -> npt.NDArray[np.float32]:
            seen[prefix_lm].append(batch)
            return uniform(batch)

        objective = dataclasses.replace(OBJECTIVE, prefix_lm=prefix_lm)
        return evaluate_table(spy, shard, EvaluationOptions(64, 20, objective), (name,))["all"][name]

    assert score_of(True) == score_of(False)
    assert not any(batch.regions.any() for batch in seen[False]), "a causal model sees no prompt whole"
    assert any(batch.regions.any() for batch in seen[True]) == (name != "causal")
    for one, other in zip(seen[True], seen[False], strict=True):
        assert np.array_equal(one.tokens, other.tokens)


def test_infill_score_distinguishes_places_of_a_middle(shard: TokenShard) -> None:
    special = shard.tokenizer.special

    def by_place(batch: Batch) -> npt.NDArray[np.float32]:
        """1 nat for a middle's first token, 2 for the next three, 3 for the rest, 5 for `<eom>`."""
        losses = np.zeros(batch.labels.shape, np.float32)
        for row, tokens in enumerate(batch.tokens):
            begun = -1
            for time, token in enumerate(tokens):
                if token >= special.first_mask_id:
                    begun = time
                behind = time - begun
                losses[row, time] = 1 if behind == 0 else 2 if behind <= 3 else 3
                if batch.labels[row, time] == special.eom:
                    losses[row, time] = 5
        return losses

    result = evaluate(by_place, shard, EvaluationOptions(64, 40, dataclasses.replace(OBJECTIVE, max_spans=3)))
    assert result.places == {"first": 1, "2 to 4": 2, "5 and on": 3, "eom": 5}
    assert result.to_dict(digits=3)["places"]["eom"] == 5
    infill = result.sources["all"]["span_corruption"]
    assert sum(score.tokens for score in infill.places.values()) == infill.tokens
    assert infill.places["first"].tokens == infill.places["eom"].tokens
    assert not result.sources["all"]["causal"].places


def test_continuation_counts_the_tokens_after_a_cut(shard: TokenShard) -> None:
    scores = evaluate_table(
        uniform, shard, EvaluationOptions(64, 200, OBJECTIVE), ("causal", "continuation")
    )["all"]
    assert 0.35 < scores["continuation"].tokens / scores["causal"].tokens < 0.65


def test_an_evaluation_over_sources_weighs_them_by_their_bytes(shard: TokenShard) -> None:
    alone = evaluate(uniform, shard, EvaluationOptions(64, 20, OBJECTIVE))
    both = evaluate(uniform, ShardSet({"a": shard, "b": shard}), EvaluationOptions(64, 20, OBJECTIVE))
    assert both.bits_per_byte == pytest.approx(alone.bits_per_byte)
    assert both.rows == 2 * alone.rows
    assert "sources" not in alone.to_dict()
    assert both.to_dict(digits=3)["sources"]["a"]["causal"]["rows"] == 20


def test_an_unknown_objective_is_named(shard: TokenShard) -> None:
    with pytest.raises(TrainingError, match="'pms' is not an objective; choose from causal"):
        evaluate_table(uniform, shard, EvaluationOptions(64, 4, OBJECTIVE), ("pms",))


def test_cross_entropy_of_known_logits() -> None:
    logits = np.log(np.array([[0.5, 0.25, 0.25], [0.1, 0.8, 0.1]], np.float32)) + 3
    losses = cross_entropy(logits, np.array([1, IGNORED]))
    assert losses == pytest.approx([math.log(4), 0], abs=1e-5)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("subject") / "checkpoint"
    write_random_checkpoint(folder, SHAPE, seed=3)
    return folder


def test_a_checkpoint_and_its_model_folder_cost_the_same(
    checkpoint: Path, corpus: Path, tmp_path: Path
) -> None:
    heldout = tokenize_corpus(
        corpus, CodeTokenizer.load(checkpoint / "tokenizer.json"), tmp_path / "heldout", progress=False
    )
    convert(checkpoint, tmp_path / "folder", ConversionOptions(precision="fp32"))
    results = []
    for subject in (checkpoint, tmp_path / "folder"):
        losses, context = open_evaluation_target(subject, heldout.tokenizer)
        assert context == 128
        results.append(evaluate(losses, heldout, EvaluationOptions(context, 4, OBJECTIVE)))
    one, other = (result.to_dict() for result in results)
    assert one.pop("places") == pytest.approx(other.pop("places"), rel=1e-4)
    assert one == pytest.approx(other, rel=1e-4)


def test_another_tokenizer_is_refused(checkpoint: Path, shard: TokenShard) -> None:
    with pytest.raises(TrainingError, match="another tokenizer"):
        open_evaluation_target(checkpoint, shard.tokenizer)


def test_a_missing_subject_is_named(shard: TokenShard, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="not a folder"):
        open_evaluation_target(tmp_path / "none", shard.tokenizer)
