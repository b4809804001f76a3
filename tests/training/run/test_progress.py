"""Log, speed and picture of a run."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from cg2_training.run.progress import TrainingSpeed, open_progress, plot_losses


def test_an_evaluation_between_two_steps_makes_no_step_slower() -> None:
    clock = [100.0]
    speed = TrainingSpeed(1000, lambda: clock[0])
    for pause in (0.0, 0.0, 7.0, 0.0, 30.0, 0.0):
        clock[0] += 2.0
        speed.on_batch(0.5)
        speed.on_step_end()
        clock[0] += pause
        speed.on_pause(pause)
    assert speed.tokens_per_s == pytest.approx(500)
    assert speed.wait_share == pytest.approx(0.25)


def test_the_first_step_does_not_count_once_there_are_others() -> None:
    clock = [100.0]
    speed = TrainingSpeed(1000, lambda: clock[0])
    for seconds in (60.0, 2.0, 2.0):
        clock[0] += seconds
        speed.on_batch(0.0)
        speed.on_step_end()
    assert speed.tokens_per_s == pytest.approx(500)
    assert speed.step_s == pytest.approx(2.0)


def test_the_log_of_a_resumed_run_forgets_the_steps_that_are_made_again(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text("".join(json.dumps({"step": step}) + "\n" for step in (1, 2, 2, 3, 4)) + '{"st')
    entry = {"step": 3, "loss": 1.0, "tokens_per_s": 10}
    with open_progress(tmp_path, "toy", 2, 10, shown=False) as progress:
        progress.step(entry)
    assert [json.loads(line) for line in log.read_text().splitlines()] == [{"step": 1}, {"step": 2}, entry]


def test_a_picture_leaves_no_other_file_and_no_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MPLCONFIGDIR", "the user's")
    monkeypatch.delenv("FONTCONFIG_FILE", raising=False)
    log = tmp_path / "log.jsonl"
    log.write_text('{"step": 1, "loss": 3.0}\n{"step": 2, "loss": 2.0, "heldout": {"bits_per_byte": 1.0}}\n')
    plot_losses(log, tmp_path / "loss.png", "a & b")
    assert {path.name for path in tmp_path.iterdir()} == {"log.jsonl", "loss.png"}
    assert (tmp_path / "loss.png").read_bytes().startswith(b"\x89PNG")
    assert os.environ["MPLCONFIGDIR"] == "the user's"
    assert "FONTCONFIG_FILE" not in os.environ


def test_a_run_without_steps_has_no_picture(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text("")
    plot_losses(tmp_path / "log.jsonl", tmp_path / "loss.png", "none")
    assert not (tmp_path / "loss.png").exists()
