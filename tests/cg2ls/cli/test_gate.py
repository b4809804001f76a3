"""`cg2ls gate`."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import pytest

import cg2ls
from cg2ls.cli.main import main
from cg2ls.evaluation.quality.gate_verdicts import read_verdicts, write_verdicts
from cg2ls.models.folder.description import ModelDescription
from tests.cg2ls.evaluation.quality.test_fit_gate import make_verdict

PACKAGE = Path(cg2ls.__file__).parent


def test_verdicts_have_numbers_but_no_text_and_no_paths(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "verdicts.jsonl"
    folders = [str(PACKAGE / "engine"), str(PACKAGE / "workspace")]
    arguments = ["--model", str(PACKAGE / "default"), "--positions", "12", "--threads", "1"]
    assert main(["gate", "collect", *folders, "-o", str(output), *arguments]) == 0
    found = read_verdicts(output)
    assert f"{len(found)} verdicts" in capsys.readouterr().out
    assert {each.repository for each in found} <= {"engine", "workspace"}
    assert found
    names = {"place", "extent", "trigger"}
    for each in found:
        texts = {name for name, value in each.features.items() if isinstance(value, str)}
        assert texts == names


@pytest.fixture
def model(tiny_model: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    shutil.copytree(tiny_model, folder)
    return folder


def test_a_better_gate_is_kept_and_removed(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    draw, path = random.Random(3), tmp_path / "verdicts.jsonl"
    write_verdicts(path, [make_verdict(draw, number) for number in range(1500)])
    fit = ["gate", "fit", str(path), "--model", str(model), "--page", str(tmp_path / "gate.svg")]
    assert main([*fit, "--dry-run"]) == 0
    assert "without --dry-run" in capsys.readouterr().out
    assert ModelDescription.read(model).gate is None
    assert main([*fit, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["kept"]
    kept = ModelDescription.read(model)
    assert kept.gate is not None
    assert kept.gate.weights_sha256 == kept.weights_sha256
    assert "<svg" in (tmp_path / "gate.svg").read_text()
    assert main(["gate", "remove", "--model", str(model)]) == 0
    assert ModelDescription.read(model).gate is None


def test_too_few_verdicts_change_nothing(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    draw, path = random.Random(3), tmp_path / "verdicts.jsonl"
    write_verdicts(path, [make_verdict(draw, number) for number in range(20)])
    assert main(["gate", "fit", str(path), "--model", str(model)]) == 1
    assert "There are 20 verdicts" in capsys.readouterr().err
    assert ModelDescription.read(model).gate is None
