"""The bench trains both trainers in turns, and reports each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cg2_training.bench import measure as bench
from cg2_training.bench.measure import measure
from cg2_training.data.shards import TokenShard
from cg2_training.errors import TrainingError
from cg2_training.run.hardware import flops_per_token
from cg2_training.run.recipe import Recipe


@pytest.mark.slow
def test_both_train_at_the_same_shape(recipe: dict[str, Any], shard: TokenShard, tmp_path: Path) -> None:
    parsed = Recipe.from_dict(recipe)
    found = measure(parsed, shard, tmp_path, turn=2, rounds=1, with_hf=True)
    assert found.tokens_per_s > 0
    assert found.hf_tokens_per_s
    assert found.ratio_vs_hf == pytest.approx(found.tokens_per_s / found.hf_tokens_per_s)
    share = found.tokens_per_s * flops_per_token(parsed.model.config()) / found.matmul_peak
    assert found.matmul_peak_share == pytest.approx(share)
    assert 0 <= found.loader_wait_share <= 1
    assert found.batch_share > 0
    assert found.mfu is None, "a processor has no data-sheet figure"


def test_ratios_are_medians_over_the_rounds_not_ratios_of_medians(
    recipe: dict[str, Any], shard: TokenShard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first turn of each is not counted; then ours took 1, 2 and 4 seconds, theirs 8, 2 and 2."""
    ours, theirs, peaks = iter([9.0, 1.0, 2.0, 4.0]), iter([9.0, 8.0, 2.0, 2.0]), iter([1.0, 1e9, 4e9, 1e9])

    def turn(self: bench._OwnTurns) -> float:
        seconds = next(ours)
        self.steps, self.seconds = self.steps + self.turn, self.seconds + seconds
        return seconds

    @contextmanager
    def hf_trainer(*_: object) -> Iterator[bench.Turn]:
        yield lambda: next(theirs)

    monkeypatch.setattr(bench._OwnTurns, "__call__", turn)
    monkeypatch.setattr(bench, "_hf_trainer", hf_trainer)
    monkeypatch.setattr(bench, "measure_matmul_peak", lambda *_: next(peaks))
    parsed = Recipe.from_dict(recipe)
    found = measure(parsed, shard, tmp_path, turn=2, rounds=3, with_hf=True)
    tokens = 2 * parsed.run.rows_per_step * parsed.model.context_length
    assert (found.tokens_per_s, found.hf_tokens_per_s) == (tokens / 2, tokens / 2)
    assert found.ratio_vs_hf == 1, "the median of 8, 1 and 1/2"
    flops = flops_per_token(parsed.model.config())
    assert found.matmul_peak == 1e9
    assert found.matmul_peak_share == pytest.approx(tokens * flops / 4e9), "in the round of 4 seconds"


def test_only_this_trainer_is_timed_without_the_other(
    recipe: dict[str, Any], shard: TokenShard, tmp_path: Path
) -> None:
    found = measure(Recipe.from_dict(recipe), shard, tmp_path, turn=1, rounds=1, with_hf=False)
    assert (found.hf_tokens_per_s, found.ratio_vs_hf) == (None, None)


def test_a_trainer_that_cannot_run_is_explained(
    recipe: dict[str, Any], shard: TokenShard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.executable", "/bin/false")
    with pytest.raises(TrainingError, match=r"could not be run .*--alone"):
        measure(Recipe.from_dict(recipe), shard, tmp_path, turn=1, rounds=1, with_hf=True)
