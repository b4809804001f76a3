"""A run learns, resumes bit for bit, and leaves a checkpoint that other tools load."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from cg2_training.data.shards import TokenShard
from cg2_training.errors import TrainingError
from cg2_training.evaluate.losses import Evaluation
from cg2_training.run.progress import read_log
from cg2_training.run.recipe import Recipe
from cg2_training.run.state import saved_states
from cg2_training.trainer import Trainer
from cg2ls.models.codegen2 import Checkpoint


def trainer(recipe: dict[str, Any], shard: TokenShard, run: Path) -> Trainer:
    return Trainer(Recipe.from_dict(recipe), shard, shard, run)


def final_state(run: Path) -> dict[str, torch.Tensor]:
    return dict(load_file(saved_states(run)[-1] / "state.safetensors"))


@pytest.mark.parametrize(
    ("optimizer", "int4_share"), [("adamw", 0.0), ("adamw8bit", 0.0), ("muon", 0.0), ("muon", 0.5)]
)
def test_a_resumed_run_equals_an_uninterrupted_one(
    recipe: dict[str, Any], shard: TokenShard, tmp_path: Path, optimizer: str, int4_share: float
) -> None:
    recipe["optimizer"] |= {"name": optimizer, "schedule": "wsd"}
    recipe["run"] |= {"int4_share": int4_share}
    trainer(recipe, shard, tmp_path / "whole").fit(progress=False)
    broken = trainer(recipe, shard, tmp_path / "broken")
    calls = 0
    save = broken.save

    def save_then_die() -> None:
        nonlocal calls
        save()
        calls += 1
        if calls == 2:
            raise KeyboardInterrupt

    broken.save = save_then_die  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        broken.fit(progress=False)
    resumed = trainer(recipe, shard, tmp_path / "broken")
    assert resumed.done == 10
    resumed.fit(progress=False)
    whole, again = final_state(tmp_path / "whole"), final_state(tmp_path / "broken")
    assert whole.keys() == again.keys()
    assert all(torch.equal(whole[name], again[name]) for name in whole)
    losses = [
        [entry["loss"] for entry in read_log(tmp_path / run / "log.jsonl")] for run in ("whole", "broken")
    ]
    assert losses[0] == losses[1]


def test_a_killed_run_resumes(
    recipe: dict[str, Any], corpus: Path, shard: TokenShard, tmp_path: Path
) -> None:
    recipe["run"] |= {"steps": 100_000, "save_every": 1, "evaluate_every": 100_000}
    path = tmp_path / "recipe.toml"
    path.write_text(Recipe.from_dict(recipe).to_toml())
    folder = Path(shard.tokens.filename).parent  # type: ignore[attr-defined]
    command = [sys.executable, "-m", "cg2_training.cli.main", "pretrain", str(path)]
    command += ["--train", str(folder), "--heldout", str(folder), "--run", str(tmp_path / "run")]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 600
        while (
            len(saved_states(tmp_path / "run")) < 2 and process.poll() is None and time.monotonic() < deadline
        ):
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
    assert saved_states(tmp_path / "run"), "a state was saved before the kill"
    assert trainer(recipe, shard, tmp_path / "run").done >= 1
    assert Checkpoint.open(tmp_path / "run" / "checkpoint").config.n_layer == 2


def test_the_loss_falls(recipe: dict[str, Any], shard: TokenShard, tmp_path: Path) -> None:
    recipe["run"] |= {"steps": 80, "evaluate_every": 40, "save_every": 80, "rows_per_step": 8}
    trainer(recipe, shard, tmp_path).fit(progress=False)
    entries = read_log(tmp_path / "log.jsonl")
    assert entries[0]["loss"] == pytest.approx(6.46, abs=0.2), "about ln(640) at random weights"
    assert entries[-1]["loss"] < entries[0]["loss"] - 1.5
    evaluations = [entry["heldout"] for entry in entries if "heldout" in entry]
    assert evaluations[1]["bits_per_byte"] < evaluations[0]["bits_per_byte"]
    assert (tmp_path / "loss.png").read_bytes().startswith(b"\x89PNG")


def test_transformers_loads_the_checkpoint(recipe: dict[str, Any], shard: TokenShard, tmp_path: Path) -> None:
    run = trainer(recipe, shard, tmp_path)
    run.fit(progress=False)
    text = "def visit(node):\n    return node"
    tokens = AutoTokenizer.from_pretrained(tmp_path / "checkpoint")(text)["input_ids"]
    assert tokens == shard.tokenizer.encode(text)
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "checkpoint").eval()
    assert model.config.eos_token_id == shard.tokenizer.special.end_of_text
    for parameter, master in zip(run.model.parameters(), run.optimizer.master, strict=True):
        parameter.data = master.clone()
    with torch.no_grad():
        theirs, ours = model(torch.tensor([tokens])).logits, run.model(torch.tensor([tokens]))
    assert float((theirs - ours).abs().max()) < 1e-4


def test_a_diverged_run_keeps_its_last_good_state(
    recipe: dict[str, Any], shard: TokenShard, tmp_path: Path
) -> None:
    run = trainer(recipe, shard, tmp_path)
    run.fit(progress=False)
    recipe["run"]["steps"] = 20
    again = trainer(recipe, shard, tmp_path)
    with torch.no_grad():
        again.model.lm_head.bias.fill_(float("nan"))
    with pytest.raises(TrainingError, match="step 12: the loss is nan"):
        again.fit(progress=False)
    assert [state.name for state in saved_states(tmp_path)] == ["00000010", "00000012"]


def test_a_state_of_another_model_is_refused(
    recipe: dict[str, Any], shard: TokenShard, tmp_path: Path
) -> None:
    trainer(recipe, shard, tmp_path).fit(progress=False)
    recipe["model"]["n_layer"] = 3
    with pytest.raises(TrainingError, match=r"another \[model\] section"):
        trainer(recipe, shard, tmp_path)


def test_a_truncated_state_is_named(recipe: dict[str, Any], shard: TokenShard, tmp_path: Path) -> None:
    trainer(recipe, shard, tmp_path).fit(progress=False)
    state = saved_states(tmp_path)[-1] / "state.safetensors"
    state.write_bytes(state.read_bytes()[:-500])
    with pytest.raises(TrainingError, match="is damaged"):
        trainer(recipe, shard, tmp_path)


def test_a_tokenizer_of_another_size_is_refused(
    recipe: dict[str, Any], shard: TokenShard, tmp_path: Path
) -> None:
    recipe["model"]["vocab_size"] = 1024
    with pytest.raises(TrainingError, match="640 tokens, but the recipe says 1024"):
        trainer(recipe, shard, tmp_path)


def test_a_deadline_saves_the_state_and_resuming_changes_nothing(
    recipe: dict[str, Any], shard: TokenShard, tmp_path: Path
) -> None:
    trainer(recipe, shard, tmp_path / "whole").fit(progress=False)
    parts = 0
    while (part := trainer(recipe, shard, tmp_path / "parts")).done < 12:
        part.fit(progress=False, deadline=time.monotonic())
        parts += 1
        assert parts <= 12
    assert parts == 12, "a part whose time is over still makes one step, so that parts always end"
    whole, again = final_state(tmp_path / "whole"), final_state(tmp_path / "parts")
    assert all(torch.equal(whole[name], again[name]) for name in whole)


def test_should_continue_can_end_the_run(recipe: dict[str, Any], shard: TokenShard, tmp_path: Path) -> None:
    run = trainer(recipe, shard, tmp_path)
    seen: list[int] = []

    def watch(step: int, evaluation: Evaluation) -> bool:
        seen.append(step)
        assert evaluation.bits_per_byte > 0
        return False

    run.fit(progress=False, should_continue=watch)
    assert seen == [6]
    assert [state.name for state in saved_states(tmp_path)] == ["00000005", "00000006"]


def test_passes_of_a_few_rows_train_as_one_pass_of_all(
    recipe: dict[str, Any], shard: TokenShard, tmp_path: Path
) -> None:
    losses = []
    recipe["run"]["precision"] = "float32"
    for rows in (0, 1, 3):
        recipe["run"]["rows_per_pass"] = rows
        run = trainer(recipe, shard, tmp_path / str(rows))
        run.fit(progress=False)
        losses.append([entry["loss"] for entry in read_log(tmp_path / str(rows) / "log.jsonl")])
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)
    assert losses[0] == pytest.approx(losses[2], rel=1e-3)


def test_run_continues_from_a_checkpoint(recipe: dict[str, Any], shard: TokenShard, tmp_path: Path) -> None:
    first = trainer(recipe, shard, tmp_path / "first")
    first.fit(progress=False)
    start = Checkpoint.open(tmp_path / "first" / "checkpoint")
    second = Trainer(Recipe.from_dict(recipe), shard, shard, tmp_path / "second", start=start)
    assert second.done == 0
    assert second.evaluate() == first.evaluate()
    recipe["model"]["n_layer"] = 1
    with pytest.raises(TrainingError, match="another shape"):
        Trainer(Recipe.from_dict(recipe), shard, shard, tmp_path / "third", start=start)


def test_tensorboard_gets_the_numbers_of_the_log(
    recipe: dict[str, Any], shard: TokenShard, tmp_path: Path
) -> None:
    trainer(recipe, shard, tmp_path).fit(progress=False)
    (events,) = (tmp_path / "tensorboard").iterdir()
    written = events.read_bytes()
    assert b"heldout/bits_per_byte" in written
    assert b"tokens_per_s" in written


@pytest.mark.parametrize(
    "objective", [{"prefix_lm": True}, {"infill": "ul2"}, {"infill": "psm"}, {"syntax_share": 1.0}]
)
def test_every_objective_trains(
    recipe: dict[str, Any], shard: TokenShard, tmp_path: Path, objective: dict[str, Any]
) -> None:
    recipe["objective"] |= objective
    recipe["run"] |= {"steps": 40, "evaluate_every": 40, "save_every": 40}
    run = trainer(recipe, shard, tmp_path)
    before = run.evaluate()
    run.fit(progress=False)
    after = run.evaluate()
    assert after.causal_nats < before.causal_nats - 0.5
    assert after.infill_nats < before.infill_nats - 0.5


def test_a_full_disk_is_named_and_the_states_before_are_intact(
    recipe: dict[str, Any], corpus: Path, shard: TokenShard, tmp_path: Path
) -> None:
    """A limit on the size of files replaces the full disk: both fail in the middle of a write."""
    trainer(recipe, shard, tmp_path / "run").fit(progress=False)
    before = [state.name for state in saved_states(tmp_path / "run")]
    recipe["run"]["steps"] = 14
    (tmp_path / "longer.toml").write_text(Recipe.from_dict(recipe).to_toml())
    folder = str(Path(shard.tokens.filename).parent)  # type: ignore[attr-defined]
    arguments = ["pretrain", str(tmp_path / "longer.toml"), "--train", folder, "--heldout", folder]
    arguments += ["--run", str(tmp_path / "run")]
    limited = (
        "import resource, sys; from cg2_training.cli.main import main;"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)); sys.exit(main(sys.argv[1:]))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", limited, *arguments], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1
    assert "00000014 could not be saved (" in ended.stderr.splitlines()[-1]
    assert [state.name for state in saved_states(tmp_path / "run")] == before
    assert trainer(recipe, shard, tmp_path / "run").done == 12


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU, and this machine has none")
@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_run_on_a_gpu_resumes_where_it_stopped(
    recipe: dict[str, Any], shard: TokenShard, tmp_path: Path, optimizer: str
) -> None:
    recipe["optimizer"] |= {"name": optimizer, "schedule": "wsd"}
    trainer(recipe, shard, tmp_path).fit(progress=False, deadline=0)
    resumed = trainer(recipe, shard, tmp_path)
    assert resumed.done == 1
    resumed.fit(progress=False)
    assert resumed.done == recipe["run"]["steps"]
