"""Scores of a whole suite are stored with the model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from cg2ls.cli.main import main
from cg2ls.errors import EvaluationError
from cg2ls.evaluation.benchmarks.report import put_section, record_scores
from cg2ls.models.folder.description import ModelDescription

CARD = "# model\n\nA model.\n\n## Commands\n\n    run\n"


def make_report(title: str, exact: float) -> dict[str, Any]:
    one = {"mean": exact, "low": exact - 0.1, "high": exact + 0.1, "of": 10}
    scores = {"invoked": {"exact": one, "edit_similarity": one}, "automatic": {"exact": one}}
    return {"suite": {"name": "humaneval-infilling-single", "title": title, "tasks": 10}, "scores": scores}


@pytest.fixture
def folder(tiny_model: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "model"
    shutil.copytree(tiny_model, copy)
    (copy / "README.md").write_text(CARD)
    return copy


def test_scores_are_in_model_json_and_on_the_card(folder: Path) -> None:
    record_scores(folder, make_report("Single", 0.25), is_whole=True)
    record_scores(folder, make_report("Multi", 0.5), is_whole=True)
    record_scores(folder, make_report("Single", 0.3), is_whole=True)
    assert ModelDescription.read(folder).quality["humaneval-infilling-single exact by request"] == 0.3
    card = (folder / "README.md").read_text()
    assert card.count("## Scales") == 1
    assert card.count("| Single | exact |") == 1
    assert "| Single | exact | 0.300 [0.200, 0.400] | 0.300 [0.200, 0.400] |" in card
    assert "| Multi | exact | 0.500" in card
    assert card.index("## Scales") < card.index("## Commands")
    assert card.endswith("## Commands\n\n    run\n")


def test_a_card_without_sections_gets_one() -> None:
    assert put_section("# m\n", "S", ["| S | exact | 1 | 2 |"]).startswith("# m\n\n## Scales\n\n| scale ")


def test_scores_of_some_tasks_are_not_recorded(folder: Path) -> None:
    with pytest.raises(EvaluationError, match="whole suite"):
        record_scores(folder, make_report("Single", 0.25), is_whole=False)
    assert (folder / "README.md").read_text() == CARD


def test_the_list_of_models_shows_the_scale(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    record_scores(folder, make_report("Single", 0.25), is_whole=True)
    assert main(["models", "add", str(folder)]) == 0
    assert main(["models", "list"]) == 0
    out = capsys.readouterr().out
    assert "single line" in out
    assert "0.250" in next(line for line in out.splitlines() if line.startswith("tiny"))
    assert main(["models", "list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    tiny = next(one for one in listed if one["name"] == "tiny")
    assert tiny["quality"]["humaneval-infilling-single exact unasked"] == 0.25
