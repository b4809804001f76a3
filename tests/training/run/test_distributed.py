"""Two processes train the same model as one, and any number of processes continues from a state."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cg2_training.data.shards import TokenShard
from cg2_training.run.distributed import join_processes
from cg2_training.run.progress import read_log
from cg2_training.run.recipe import Recipe
from cg2_training.run.state import saved_states
from cg2_training.trainer import Trainer
from cg2ls.models.codegen2 import Checkpoint


def torchrun(
    processes: int, recipe: Path, shard: TokenShard, run: Path, *more: str
) -> subprocess.CompletedProcess[str]:
    folder = str(Path(shard.tokens.filename).parent)  # type: ignore[attr-defined]
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        str(processes),
    ]
    command += [
        "-m",
        "--",
        "cg2_training.cli.main",
        "pretrain",
        str(recipe),
        "--train",
        folder,
        "--heldout",
        folder,
    ]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [*command, "--run", str(run), *more],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )


def losses(run: Path) -> list[float]:
    return [entry["loss"] for entry in read_log(run / "log.jsonl")]


@pytest.mark.slow
def test_two_processes_train_as_one_and_any_number_resumes(
    recipe: dict[str, Any], shard: TokenShard, tmp_path: Path
) -> None:
    recipe["run"]["precision"] = "float32"
    path = tmp_path / "recipe.toml"
    path.write_text(Recipe.from_dict(recipe).to_toml())
    alone = Trainer(Recipe.from_dict(recipe), shard, shard, tmp_path / "one")
    alone.fit(progress=False)

    for processes, more in ((2, ("--minutes", "0.0001")), (1, ("--minutes", "0.0001")), (2, ())):
        part = torchrun(processes, path, shard, tmp_path / "two", *more)
        assert part.returncode == 0, part.stderr
        state = saved_states(tmp_path / "two")[-1]
        assert len(list(state.glob("*.safetensors"))) == processes
    assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "one"), rel=1e-3)
    weights = Checkpoint.open(tmp_path / "two" / "checkpoint")
    expected = Checkpoint.open(tmp_path / "one" / "checkpoint")
    assert sorted(weights.names()) == sorted(expected.names())


def test_without_torchrun_there_is_one_process() -> None:
    ranks = join_processes()
    assert (ranks.rank, ranks.world, ranks.first) == (0, 1, True)
    assert ranks.agree(True)
    assert not ranks.agree(False)
