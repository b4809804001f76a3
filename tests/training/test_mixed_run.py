"""A run on a mixture: a resumed run is bit-identical to an uninterrupted one, and reports each source's loss."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from cg2_training.data.shards import ShardSet, TokenShard
from cg2_training.run.progress import read_log
from cg2_training.run.recipe import Recipe
from cg2_training.trainer import Trainer


@pytest.fixture
def mixture(recipe: dict[str, Any]) -> Recipe:
    recipe["data"] = {"code": {"weight": 0.7}, "text": {"weight": 0.3, "epochs": 0.5}}
    recipe["run"] |= {"steps": 6, "save_every": 3, "evaluate_every": 3}
    return Recipe.from_dict(recipe)


def trained(recipe: Recipe, shards: ShardSet, run: Path, stop_after: int = 0) -> Trainer:
    trainer = Trainer(recipe, shards, shards, run)
    trainer.fit(progress=False, should_continue=lambda step, _: step != stop_after)
    return trainer


def test_a_resumed_mixture_ends_with_the_same_bits(
    mixture: Recipe, shard: TokenShard, tmp_path: Path
) -> None:
    shards = ShardSet({"code": shard, "text": shard})
    through = trained(mixture, shards, tmp_path / "through")
    assert trained(mixture, shards, tmp_path / "parts", stop_after=3).done == 3
    resumed = trained(mixture, shards, tmp_path / "parts")
    assert resumed.done == through.done == 6
    for one, other in zip(through.model.parameters(), resumed.model.parameters(), strict=True):
        assert torch.equal(one, other)
    logs = [read_log(tmp_path / name / "log.jsonl") for name in ("through", "parts")]
    assert [entry["loss"] for entry in logs[0]] == [entry["loss"] for entry in logs[1]]
    assert set(logs[0][-1]["heldout"]["sources"]) == {"code", "text"}
    assert (tmp_path / "through" / "checkpoint" / "config.json").exists()
