"""A checkpoint is scored on the same benchmarks as a model folder, by the same code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cg2_training.cli.main import main
from cg2_training.errors import TrainingError
from cg2_training.evaluate.evaluation_target import open_as_folder
from cg2ls.cli.main import main as serve
from cg2ls.models.folder import ModelDescription

FEW = ["--suite", "humaneval-infilling-single", "--limit", "3", "--threads", "1", "--json"]


def test_a_checkpoint_scores_like_its_model_folder(
    tiny_checkpoint: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(tiny_checkpoint), *FEW]) == 0
    ours = json.loads(capsys.readouterr().out)
    assert serve(["evaluate", str(tiny_model), *FEW]) == 0
    theirs = json.loads(capsys.readouterr().out)
    assert ours["scores"] == theirs["scores"]
    assert ours["suite"] == theirs["suite"]


def test_a_conversion_is_removed_afterwards(tiny_checkpoint: Path) -> None:
    with open_as_folder(tiny_checkpoint) as folder:
        assert ModelDescription.read(folder).precision == "fp32"
    assert not folder.exists()


def test_a_model_folder_is_used_as_it_is(tiny_model: Path) -> None:
    with open_as_folder(tiny_model) as folder:
        assert folder == tiny_model
    assert tiny_model.is_dir()


def test_scores_of_a_checkpoint_are_not_recorded(
    tiny_checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(tiny_checkpoint), "--suite", "humaneval", "--record"]) == 1
    assert "--record stores scores in a model folder" in capsys.readouterr().err


def test_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="not a folder"), open_as_folder(tmp_path / "none"):
        pass
