"""Arms as jobs of a cluster: a command for each, which trains what the queue then scores."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from cg2_training.cli.main import main
from cg2_training.errors import TrainingError
from cg2_training.lessons.jobs import job_commands
from cg2_training.lessons.plan import Plan
from cg2_training.lessons.queue import run_queue
from cg2_training.trainer import Trainer

MakePlan = Callable[..., Plan]


def test_a_job_trains_what_the_queue_then_scores(
    make_plan: MakePlan, text_shards: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = make_plan(4, text=text_shards, overrides=("run.steps=2",))
    commands = job_commands(plan, "torchrun", 2)
    assert len(commands) == 3
    words = shlex.split(commands[-1])
    assert words[:6] == ["torchrun", "--nproc-per-node", "2", "-m", "--", "cg2_training.cli.main"]
    assert main(words[6:]) == 0
    monkeypatch.setattr(Trainer, "fit", None)
    arm = plan.runs[-1][0]
    one = Plan(plan.size, plan.full, plan.corpora, plan.lessons, 1, plan.rows, plan.work)
    monkeypatch.setattr(Plan, "runs", [(arm, 1)])
    assert run_queue(one, deadline=1.0, clock=lambda: 0.0, on_event=print, progress=False) == 0
    assert (plan.results / f"{arm.name}-1.json").exists()
    assert job_commands(plan, "torchrun", 2) == []


def test_a_slurm_job_wraps_the_same_command(make_plan: MakePlan) -> None:
    plan = make_plan(2)
    plain, slurm = job_commands(plan, "torchrun", 4), job_commands(plan, "slurm", 4)
    words = shlex.split(slurm[0])
    assert words[:3] == ["sbatch", "--job-name", "lessons-2m-causal-1"]
    assert words[words.index("--gpus-per-task") + 1] == "4"
    assert words[-1] == plain[0]


def test_muon_is_not_divided_among_processes(make_plan: MakePlan) -> None:
    plan = make_plan(2, overrides=("optimizer.name=muon",))
    with pytest.raises(TrainingError, match=r"muon computes in one process; add --set optimizer\.name=adamw"):
        job_commands(plan, "torchrun", 2)
    assert len(job_commands(plan, "torchrun", 1)) == 2
