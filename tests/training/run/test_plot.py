"""The picture of a run's loss leaves nothing but itself."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cg2_training.run.plot import plot_losses


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
