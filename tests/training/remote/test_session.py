"""A run is packed, trained elsewhere in sessions by the packed code alone, and collected again."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cg2_training.errors import TrainingError
from cg2_training.evaluate.evaluation_target import open_evaluation_target
from cg2_training.remote.bootstrap import find_work_folder
from cg2_training.remote.pack import Pack, pack_run
from cg2_training.remote.session import SessionState, parse_arguments
from cg2_training.remote.upload import collect_uploads
from cg2_training.run.state import read_run
from cg2ls.models.codegen2 import CodeTokenizer


def run_session(
    here: Path, machine: Path, *arguments: str, script: str = "remote_session.py"
) -> subprocess.CompletedProcess[str]:
    """Run the packed script as on a machine where this project is not installed."""
    out = machine / "out"
    shutil.rmtree(out, ignore_errors=True)
    command = [sys.executable, str(here / script), "--work", str(machine / "work"), "--out", str(out)]
    command += ["--budget", "0.2", "--calibrate", "1", "--reserve", "0", *arguments]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    return subprocess.run(
        command, cwd=machine, env=environment, capture_output=True, text=True, check=False, timeout=900
    )


def report_of(folder: Path) -> dict[str, Any]:
    report: dict[str, Any] = json.loads((folder / "report.json").read_text())
    return report


@pytest.mark.slow
def test_pieces_arrive_in_two_calls_and_two_sessions_train_one_run(
    packed: Pack, tokenizer: CodeTokenizer, tmp_path: Path
) -> None:
    assert len(packed.pieces) >= 3
    assert all((packed.folder / name).stat().st_size <= 40_000 for name in packed.pieces)
    machine, first, second = tmp_path / "machine", tmp_path / "first", tmp_path / "second"
    machine.mkdir()
    for folder, names in ((first, packed.pieces[:1]), (second, packed.pieces[1:])):
        folder.mkdir()
        for name in ("remote_session.py", "lease.py", "pack.json", *names):
            shutil.copyfile(packed.folder / name, folder / name)

    waiting = run_session(first, machine)
    assert waiting.returncode == 0, waiting.stderr
    assert f"waiting for {len(packed.pieces) - 1} of {len(packed.pieces)} pieces" in waiting.stdout

    session = run_session(second, machine, "--session", "0.12", "--installed", "pluggy", "tokenizers")
    assert session.returncode == 0, session.stderr
    report = report_of(machine / "out")
    assert report["planned_steps"] > report["steps"] > 0
    assert [entry["label"].split("==")[0] for entry in report["added"]] == ["pluggy"], (
        "tokenizers is held out"
    )

    (machine / "work" / "session.json").rename(machine / "work" / "lease.json")
    last = run_session(second, machine, "--leg", "1", script="lease.py")  # all old names
    assert last.returncode == 0, last.stderr
    done = report_of(machine / "out")
    assert done["steps"] > report["steps"]
    assert done["tokens_seen"] == done["steps"] * 4 * 64
    assert done["heldout"]["bits_per_byte"] < 5
    assert done["steps"] <= done["planned_steps"] == report["planned_steps"]

    brought = collect_uploads([machine / "out"], tokenizer, tmp_path / "run")
    assert brought["steps"] == done["steps"]
    step, recipe = read_run(tmp_path / "run")
    assert (step, recipe.model.context_length) == (done["steps"], 64)
    losses, context = open_evaluation_target(tmp_path / "run" / "checkpoint", tokenizer)
    assert callable(losses)
    assert context == 64


def test_the_old_name_of_an_option_counts_where_the_new_one_is_missing() -> None:
    assert parse_arguments(["--out", "o"]).session == 9.0
    assert parse_arguments(["--out", "o", "--leg", "2"]).session == 2.0
    assert parse_arguments(["--out", "o", "--session", "3", "--leg", "3"]).session == 3.0


def test_old_and_new_name_with_different_values_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse_arguments(["--out", "o", "--session", "3", "--leg", "2"])
    assert ended.value.code == 2
    assert "give only --session" in capsys.readouterr().err


def test_the_work_folder_of_an_older_pack_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_work_folder([]) == tmp_path / "remote-work"
    (tmp_path / "lease-work").mkdir()
    assert find_work_folder([]) == tmp_path / "lease-work"
    assert find_work_folder(["--work", "here"]) == find_work_folder(["--work=here"]) == tmp_path / "here"


def test_the_state_of_an_older_pack_is_read(tmp_path: Path) -> None:
    assert SessionState.read(tmp_path) == SessionState()
    (tmp_path / "lease.json").write_text('{"trained_s": 5.0, "steps": 70, "added": null}')
    state = SessionState.read(tmp_path)
    assert state == SessionState(trained_s=5.0, steps=70)
    state.steps = 80
    state.write(tmp_path)
    assert SessionState.read(tmp_path).steps == 80, "the new file counts"


def test_a_damaged_piece_is_refused(packed: Pack, tmp_path: Path) -> None:
    machine = tmp_path / "machine"
    machine.mkdir()
    piece = packed.folder / packed.pieces[0]
    piece.write_bytes(piece.read_bytes()[:-1] + b"?")
    run = run_session(packed.folder, machine)
    assert run.returncode != 0
    assert "is damaged; send it again" in run.stderr


def test_the_pack_depends_on_its_content_alone(packed: Pack, tmp_path: Path) -> None:
    source = tmp_path / "source"
    for path in source.iterdir():
        os.utime(path, (1, 1))
    again = pack_run(
        source / "recipe.toml",
        source,
        source / "tokenizer.json",
        tmp_path / "again",
        piece_mb=0.04,
        progress=False,
    )
    assert (again.folder / "pack.json").read_bytes() == (packed.folder / "pack.json").read_bytes()


def test_a_tokenizer_of_another_size_is_refused(packed: Pack, tmp_path: Path) -> None:
    source = tmp_path / "source"
    recipe = (source / "recipe.toml").read_text().replace("vocab_size = 640", "vocab_size = 1024")
    (source / "recipe.toml").write_text(recipe)
    with pytest.raises(TrainingError, match="640 tokens, but the recipe says 1024"):
        pack_run(
            source / "recipe.toml", source, source / "tokenizer.json", tmp_path / "again", progress=False
        )
