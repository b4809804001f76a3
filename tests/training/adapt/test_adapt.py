"""A model adapted to a repository is better there, or it is not exported."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from cg2_training.adapt import adapt as adapt_module
from cg2_training.adapt.adapt import AdaptPaths, NotBetterError, adapt
from cg2_training.adapt.inputs import AdaptInputs
from cg2_training.adapt.recipe import ROW_KINDS, TRAINING_COST, AdaptOptions
from cg2_training.data.batches import StepTensors
from cg2_training.errors import TrainingError
from cg2_training.evaluate.losses import Evaluation
from cg2_training.run.progress import read_log
from cg2_training.run.recipe import Recipe
from cg2_training.run.state import saved_states
from cg2_training.trainer import Trainer
from cg2ls.models.folder import ModelDescription
from cg2ls.models.folder.verify import verify_folder

OPTIONS = AdaptOptions(share=0.2, epochs=2.0, precision="fp32", threads=1, progress=False)


def paths(repository: Path, base: Path, folder: Path) -> AdaptPaths:
    return AdaptPaths(folders=[repository], base=base, out=folder / "out", run=folder / "run")


@pytest.fixture(scope="module")
def adapted(
    repository: Path, base: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, object]]:
    folder = tmp_path_factory.mktemp("adapted")
    report = adapt(paths(repository, base, folder), name="mine", options=OPTIONS)
    return folder / "out", report.to_dict()


def test_the_held_out_files_are_predicted_better(adapted: tuple[Path, dict[str, object]]) -> None:
    _, report = adapted
    before, after = report["before"], report["after"]
    assert isinstance(before, dict)
    assert isinstance(after, dict)
    assert after["causal_nats"] < before["causal_nats"] - 0.5
    assert (report["files"], report["heldout_files"]) == (9, 1)
    assert report["refused"] == {"ignored": 1, "secret content": 1, "empty": 1, "exact duplicate": 1}


def test_the_model_folder_describes_its_model(adapted: tuple[Path, dict[str, object]], base: Path) -> None:
    folder, report = adapted
    model = verify_folder(folder)
    assert (model.name, model.license) == ("mine", "LicenseRef-private")
    assert model.source.checkpoint == "base, adapted"
    assert model.source.revision == f"step-{report['steps']}"
    assert model.infill == ModelDescription.read(base).infill
    assert set(model.languages) == {"python"}


def test_a_model_that_did_not_get_better_is_not_exported(
    repository: Path, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cg2_training.adapt.recipe.LEARNING_RATE", 0.0)
    with pytest.raises(NotBetterError, match="nothing was exported"):
        adapt(paths(repository, base, tmp_path), name="mine", options=OPTIONS)
    assert not (tmp_path / "out").exists()


def test_too_few_files_are_refused(base: Path, tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text("x = 1\n" * 10)
    with pytest.raises(TrainingError, match="only 1 python files"):
        adapt(paths(tmp_path, base, tmp_path), name="mine", options=OPTIONS)


def test_a_folder_that_is_something_else_is_not_cleared(repository: Path, base: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.txt").write_text("precious")
    with pytest.raises(TrainingError, match="contains something other"):
        adapt(paths(repository, base, tmp_path), name="mine", options=OPTIONS)
    assert (tmp_path / "run" / "thesis.txt").exists()


def test_a_killed_call_resumes_with_the_same_result(
    repository: Path, base: Path, adapted: tuple[Path, dict[str, object]], tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "cg2_training.cli.main", "adapt", str(repository), "--from", str(base)]
    command += ["--share", "0.2", "--epochs", "2", "--format", "fp32", "--name", "mine", "--json"]
    command += ["--threads", "1"]
    command += ["--run", str(tmp_path / "run"), "-o", str(tmp_path / "out")]
    environment = os.environ | {"CG2LS_HOME": str(tmp_path / "home")}
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 120
        while (
            len(saved_states(tmp_path / "run")) < 2 and process.poll() is None and time.monotonic() < deadline
        ):
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    again = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    report = json.loads(again.stdout)
    assert (report["after"], report["steps"]) == (adapted[1]["after"], adapted[1]["steps"])
    chosen = json.loads((tmp_path / "home" / "models.json").read_text())
    assert chosen["languages"] == {"python": "mine"}
    assert (tmp_path / "home" / "models" / "mine" / "model.json").is_file()


class Machine:
    """A simulated machine and its clock: it scores a row in `row_s` seconds.

    From `slower_from` on, another program takes half of it.
    """

    def __init__(self, row_s: float, slower_from: float = math.inf) -> None:
        self.now, self.row_s, self.slower_from = 1000.0, row_s, 1000.0 + slower_from

    def clock(self) -> float:
        return self.now

    def work(self, rows: float) -> None:
        self.now += rows * self.row_s * (2 if self.now > self.slower_from else 1)

    def run_on(self, monkeypatch: pytest.MonkeyPatch) -> None:
        step, evaluate, measure = Trainer.step, Trainer.evaluate, adapt_module._measure

        def timed_step(trainer: Trainer, batch: StepTensors, scale: float) -> tuple[float, float]:
            self.work(TRAINING_COST * len(batch.tokens))
            return step(trainer, batch, scale)

        def timed_evaluate(trainer: Trainer) -> Evaluation:
            self.work(ROW_KINDS * trainer.recipe.run.evaluate_rows)
            return replace(evaluate(trainer), causal_nats=-self.now)

        def timed_measure(folder: Path, place: AdaptInputs, recipe: Recipe, rows: int) -> Evaluation:
            self.work(ROW_KINDS * rows)
            return replace(measure(folder, place, recipe, rows), causal_nats=-self.now)

        monkeypatch.setattr(Trainer, "step", timed_step)
        monkeypatch.setattr(Trainer, "evaluate", timed_evaluate)
        monkeypatch.setattr(adapt_module, "_measure", timed_measure)
        monkeypatch.setattr(adapt_module, "measure_row_seconds", lambda *_: self.row_s)


@pytest.mark.parametrize(
    ("row_s", "minutes", "slower_from"), [(1.0, 1.0, math.inf), (0.5, 3.0, math.inf), (0.5, 3.0, 60.0)]
)
def test_a_slow_machine_keeps_the_minutes_and_lowers_its_learning_rate(
    repository: Path,
    base: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    row_s: float,
    minutes: float,
    slower_from: float,
) -> None:
    machine = Machine(row_s, slower_from)
    machine.run_on(monkeypatch)
    # Later weights count as better, so that each of these few steps leads to a model.
    monkeypatch.setattr("cg2_training.trainer.plot_losses", lambda *_: None)
    report = adapt(
        paths(repository, base, tmp_path),
        name="mine",
        options=replace(OPTIONS, epochs=25.0, minutes=minutes),
        clock=machine.clock,
    )
    assert report.minutes <= 1.05 * minutes * (1 if slower_from == math.inf else 1.2)
    scales = [entry["lr_scale"] for entry in read_log(tmp_path / "run" / "log.jsonl")]
    assert len(scales) >= 4
    assert max(scales) >= 0.6
    assert scales[-1] <= 0.5
    assert scales[-1] == min(scales[len(scales) // 2 :])
