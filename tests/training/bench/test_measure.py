"""The bench trains both for real, in turns, and says what each did."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cg2_training.bench.measure import measure
from cg2_training.errors import TrainingError
from cg2_training.flops import flops_per_token
from cg2_training.recipe import Recipe
from cg2_training.shards import TokenShard


@pytest.mark.slow
def test_both_are_timed_at_the_same_shape(recipe: dict[str, Any], shard: TokenShard, tmp_path: Path) -> None:
    parsed = Recipe.from_dict(recipe)
    found = measure(parsed, shard, tmp_path, turn=2, rounds=3, rival=True)
    assert found.tokens_per_s > 0
    assert found.hf_tokens_per_s
    assert found.ratio_vs_hf == pytest.approx(found.tokens_per_s / found.hf_tokens_per_s, rel=0.8)
    share = found.tokens_per_s * flops_per_token(parsed.model.config()) / found.matmul_peak
    assert found.matmul_peak_share == pytest.approx(share, rel=0.8), "a median of ratios, not of both"
    assert 0 <= found.loader_wait_share < 1
    assert found.batch_share > 0
    assert found.mfu is None, "a processor has no data-sheet figure"


def test_without_the_rival_only_ours_is_timed(
    recipe: dict[str, Any], shard: TokenShard, tmp_path: Path
) -> None:
    found = measure(Recipe.from_dict(recipe), shard, tmp_path, turn=1, rounds=1, rival=False)
    assert (found.hf_tokens_per_s, found.ratio_vs_hf) == (None, None)


def test_a_rival_that_cannot_run_is_explained(
    recipe: dict[str, Any], shard: TokenShard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.executable", "/bin/false")
    with pytest.raises(TrainingError, match=r"could not be run .*--alone"):
        measure(Recipe.from_dict(recipe), shard, tmp_path, turn=1, rounds=1, rival=True)
