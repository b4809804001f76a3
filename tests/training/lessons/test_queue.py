"""The queue resumes after a kill or a deadline with the same numbers; jobs of a cluster train what it then scores."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from cg2_training.cli.main import main
from cg2_training.errors import TrainingError
from cg2_training.lessons import queue
from cg2_training.lessons.arms import arms_of, lessons_of
from cg2_training.lessons.findings import lesson_findings
from cg2_training.lessons.plan import LOCK, Plan
from cg2_training.lessons.queue import job_commands, run_queue
from cg2_training.lessons.results import read_results
from cg2_training.run.state import saved_states
from cg2_training.trainer import Trainer
from cg2ls.system import lock

MakePlan = Callable[..., Plan]


def ignore(_line: str) -> None:
    pass


def run(plan: Plan, deadline: float = math.inf, clock: Callable[[], float] = lambda: 0.0) -> int:
    return run_queue(plan, deadline=deadline, on_event=ignore, clock=clock, progress=False)


def numbers(plan: Plan) -> dict[str, object]:
    return {path.name: json.loads(path.read_text()) for path in sorted(plan.results.iterdir())}


def test_a_kill_in_the_middle_changes_no_number(
    make_plan: MakePlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    through = make_plan(2, work=tmp_path / "through")
    assert run(through) == 0
    parts = make_plan(2, work=tmp_path / "parts")
    steps = [0]
    step = Trainer.step

    def killed(self: Trainer, batch: object, scale: float) -> tuple[float, float]:
        steps[0] += 1
        if steps[0] == 10:
            raise KeyboardInterrupt
        return step(self, batch, scale)  # type: ignore[arg-type]

    monkeypatch.setattr(Trainer, "step", killed)
    with pytest.raises(KeyboardInterrupt):
        run(parts)
    assert [path.name for path in sorted(parts.results.iterdir())] == ["causal-1.json", "labels.json"]
    assert run(parts) == 0
    # 6 steps of each of two arms, and one of the second that was not yet saved and is repeated.
    assert steps[0] == 6 + 3 + 1 + (6 - 2)
    assert numbers(parts) == numbers(through)
    assert not list((parts.work / "runs").glob("*/states"))
    assert run(parts) == 0
    assert steps[0] == 14, "finished runs are not repeated"


def test_deadline_saves_the_state_and_the_next_call_continues(
    make_plan: MakePlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = make_plan(2)
    steps: list[int] = []
    step = Trainer.step

    def counted(self: Trainer, batch: object, scale: float) -> tuple[float, float]:
        steps.append(self.done)
        return step(self, batch, scale)  # type: ignore[arg-type]

    monkeypatch.setattr(Trainer, "step", counted)
    # A step takes a second; the second arm is at its third when the time is over.
    assert run(plan, deadline=9.0, clock=lambda: float(len(steps))) == 1
    assert steps == [0, 1, 2, 3, 4, 5, 0, 1, 2]
    assert saved_states(plan.run_folder(plan.runs[1][0], 1))[-1].name == "00000003"
    assert run(plan) == 0
    assert steps[9:] == [3, 4, 5]
    through = make_plan(2, work=tmp_path / "through")
    run(through)
    assert numbers(plan) == numbers(through)


def test_no_arm_begins_after_the_deadline(make_plan: MakePlan) -> None:
    plan = make_plan(2)
    assert run(plan, deadline=-1.0) == 2
    assert not (plan.work / "runs").exists()


def test_an_arm_that_fails_does_not_stop_the_others(
    make_plan: MakePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = make_plan(2)
    score = queue.score_rows

    def failing(*arguments: object, **named: object) -> object:
        if not (plan.results / "psm-1.json").exists() and not failed:
            failed.append(1)
            raise TrainingError("too hot.")
        return score(*arguments, **named)  # type: ignore[arg-type]

    failed: list[int] = []
    monkeypatch.setattr(queue, "score_rows", failing)
    with pytest.raises(TrainingError, match=r"1 of 2 runs failed; the first is causal, seed 1: too hot\."):
        run(plan)
    assert (plan.results / "psm-1.json").exists()
    assert run(plan) == 0


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"size": "9m"}, "size was 2m and is 9m"),
        ({"commit": "def"}, "commit was .* and is def"),
        ({"rows": 21}, "rows was 20 and is 21"),
        ({"recipe": {}}, "the recipe changed"),
        ({"shards": {}}, "the shards changed"),
    ],
)
def test_a_work_folder_of_another_run_is_refused(
    change: dict[str, object], says: str, make_plan: MakePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = make_plan(2)
    run(plan, deadline=-1.0)
    identity = Plan.identity
    monkeypatch.setattr(Plan, "identity", lambda self: identity(self) | change)
    with pytest.raises(TrainingError, match=f"has results of another run: {says}; choose another --work"):
        run(plan)


def test_a_folder_of_something_else_is_not_overwritten(make_plan: MakePlan, tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "thesis.tex").write_text("x")
    with pytest.raises(TrainingError, match="contains something other than lessons"):
        run(make_plan(2))
    (tmp_path / "file").write_text("x")
    with pytest.raises(TrainingError, match="is a file; choose another"):
        run(make_plan(2, work=tmp_path / "file"))


def test_two_processes_do_not_share_a_work_folder(make_plan: MakePlan) -> None:
    plan = make_plan(2)
    plan.work.mkdir()
    with (plan.work / LOCK).open("w") as file:
        lock(file.fileno(), wait=False)
        with pytest.raises(TrainingError, match="another process runs lessons"):
            run(plan)


@pytest.mark.parametrize("numbers", [(), (0,)], ids=["five lessons", "mixtures"])
def test_every_arm_trains_and_is_scored_on_the_same_rows(
    make_plan: MakePlan, text_shards: Path, numbers: tuple[int, ...]
) -> None:
    plan = make_plan(*numbers, text=text_shards, overrides=("run.steps=2",))
    assert run(plan) == 0
    results = read_results(plan.results)
    assert {one.arm for one in results.arms} == {arm.name for arm in arms_of(lessons_of(numbers))}
    assert {one.digest for one in results.arms} == {results.arms[0].digest}
    for found in lesson_findings(results, lessons_of(numbers)):
        assert all(finding.effect for finding in found.findings), found.lesson.title
    if numbers:
        return
    (half,) = results.of("half").values()
    assert half.notes["recipe"]["data"]["text"]["weight"] == 0.5
    # Initial weights are the same, so one step apart arms differ little, but they do.
    causal, prefix = (results.of(arm)[1].row_nats("code/causal") for arm in ("causal", "prefix"))
    assert causal is not None
    assert prefix is not None
    assert 0 < abs(causal.sum() - prefix.sum()) < 0.05 * causal.sum()


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
