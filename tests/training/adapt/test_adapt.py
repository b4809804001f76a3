"""A model adapted to a repository is better there, or it is not exported."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from cg2_training.adapt.adapt import LEAST_STEPS, AdaptOptions, NotBetterError, adapt
from cg2_training.errors import TrainingError
from cg2_training.plot import read_log
from cg2_training.state import saved_states
from cg2_training.trainer import Trainer
from cg2ls.modelfolder import ModelDescription
from cg2ls.modelfolder.verify import verify_folder

OPTIONS = AdaptOptions(share=0.2, epochs=2.0, precision="fp32", progress=False)


@pytest.fixture(scope="module")
def adapted(
    repository: Path, base: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, object]]:
    folder = tmp_path_factory.mktemp("adapted")
    report = adapt([repository], base, folder / "out", name="mine", run=folder / "run", options=OPTIONS)
    return folder / "out", report.to_dict()


def test_the_held_out_files_are_predicted_better(adapted: tuple[Path, dict[str, object]]) -> None:
    _, report = adapted
    before, after = report["before"], report["after"]
    assert isinstance(before, dict)
    assert isinstance(after, dict)
    assert after["causal_nats"] < before["causal_nats"] - 0.5
    assert (report["files"], report["heldout_files"]) == (9, 1)
    assert report["refused"] == {"ignored": 1, "secret content": 1, "empty": 1, "exact duplicate": 1}


def test_the_model_folder_says_what_it_is(adapted: tuple[Path, dict[str, object]], base: Path) -> None:
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
        adapt([repository], base, tmp_path / "out", name="mine", run=tmp_path / "run", options=OPTIONS)
    assert not (tmp_path / "out").exists()


def test_too_few_files_are_refused(base: Path, tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text("x = 1\n" * 10)
    with pytest.raises(TrainingError, match="only 1 python files"):
        adapt([tmp_path], base, tmp_path / "out", name="mine", run=tmp_path / "run", options=OPTIONS)


def test_a_folder_that_is_something_else_is_not_cleared(repository: Path, base: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.txt").write_text("precious")
    with pytest.raises(TrainingError, match="holds something else"):
        adapt([repository], base, tmp_path / "out", name="mine", run=tmp_path / "run", options=OPTIONS)
    assert (tmp_path / "run" / "thesis.txt").exists()


def test_a_killed_call_goes_on_and_ends_as_an_undisturbed_one(
    repository: Path, base: Path, adapted: tuple[Path, dict[str, object]], tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "cg2_training.cli", "adapt", str(repository), "--from", str(base)]
    command += ["--share", "0.2", "--epochs", "2", "--format", "fp32", "--name", "mine", "--json"]
    command += ["--run", str(tmp_path / "run"), "-o", str(tmp_path / "out")]
    environment = os.environ | {"CG2LS_HOME": str(tmp_path / "home")}
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 600
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


def test_a_run_that_time_cuts_short_is_planned_so_that_the_learning_rate_comes_down(
    repository: Path, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float] = []

    def steps_that_fit(trainer: Trainer, seconds: float) -> int:
        asked.append(seconds)
        return trainer.done + 6

    monkeypatch.setattr("cg2_training.adapt.adapt.steps_that_fit", steps_that_fit)
    monkeypatch.setattr("cg2_training.adapt.adapt.MEASURED_FOR", 0)
    monkeypatch.setattr("cg2_training.adapt.stopping.PATIENCE", 1000)
    options = replace(OPTIONS, epochs=5000.0, minutes=60.0)
    adapt([repository], base, tmp_path / "out", name="mine", run=tmp_path / "run", options=options)
    planned = json.loads((tmp_path / "run" / "length.json").read_text())
    log = read_log(tmp_path / "run" / "log.jsonl")
    assert len(asked) == 1
    assert 0 < asked[0] <= 60 * 60
    assert planned == LEAST_STEPS + 6
    assert len(log) == planned
    assert log[-1]["lr_scale"] < 0.9
