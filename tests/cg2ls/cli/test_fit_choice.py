"""`cg2ls models fit-choice` observes, fits, and keeps what helps."""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from cg2ls.cli import models
from cg2ls.evaluation.quality import fit_line_choice
from cg2ls.evaluation.quality.fit_line_choice import FitChoiceError
from cg2ls.models.folder.description import Language, ModelDescription, ModelFolderError

CODE = "def area_{0}(width, height):\n    size = width * height\n    print(size)\n    return size\n\n\n"


@pytest.fixture
def folder(tiny_model: Path, tmp_path: Path) -> Path:
    copy = Path(shutil.copytree(tiny_model, tmp_path / "model"))
    dataclasses.replace(ModelDescription.read(copy), languages={"python": Language()}).write(copy)
    return copy


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "shop"
    root.mkdir()
    for number in range(6):
        text = "".join(CODE.format(f"{number}_{part}") for part in range(4))
        (root / f"file_{number}.py").write_text(text)
    return root


def fit(*arguments: object) -> int:
    parser = argparse.ArgumentParser()
    models.add_parser(parser.add_subparsers(required=True))
    args = parser.parse_args(["models", "fit-choice", *map(str, arguments)])
    return int(args.run(args))


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(fit_line_choice, "MIN_PLACES", 6)


@pytest.mark.usefixtures("few")
def test_it_reports_each_kind_of_place_and_writes_the_hypotheses(folder, repository, tmp_path, capsys):
    file = tmp_path / "seen.jsonl"
    before = (folder / "model.json").read_bytes()
    assert fit(repository, "--model", folder, "--positions", 12, "--observations", file, "--dry-run") == 0
    report = json.loads(capsys.readouterr().out)
    assert set(report["kinds"]) == {"line_start", "word_start", "in_word", "after_open"}
    assert report["kept_in"] == ""
    assert (folder / "model.json").read_bytes() == before
    seen = [json.loads(line) for line in file.read_text().splitlines()]
    assert sum(kind["places"] for kind in report["kinds"].values()) == sum(
        bool(each["lines"] and each["lines"][0]["evidence"]) for each in seen
    )


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("helps", [True, False])
def test_what_helps_is_kept_in_the_model_folder(folder, repository, capsys, monkeypatch, helps):
    monkeypatch.setattr(fit_line_choice.KindReport, "helps", helps)
    assert fit(repository, "--model", folder, "--positions", 12) == 0
    report = json.loads(capsys.readouterr().out)
    kept = ModelDescription.read(folder).line_choice
    assert report["kept_in"] == (str(folder) if helps else "")
    assert (kept is not None) == helps
    assert kept is None or kept.to_dict() == report["line_choice"]


def test_too_little_text_is_reported_in_one_sentence(folder, repository):
    with pytest.raises(FitChoiceError, match="at least 100 places"):
        fit(repository, "--model", folder, "--positions", 4)


@pytest.mark.usefixtures("few")
def test_a_folder_that_cannot_be_written_is_reported_in_one_sentence(folder, repository, monkeypatch):
    monkeypatch.setattr(fit_line_choice.KindReport, "helps", True)

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(ModelDescription, "write", refuse)
    with pytest.raises(ModelFolderError, match="cannot be written"):
        fit(repository, "--model", folder, "--positions", 12)
