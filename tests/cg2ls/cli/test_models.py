"""`cg2ls models`."""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from cg2ls.cli import models
from cg2ls.models.folder.choice import LastingChoices, read_lasting
from cg2ls.models.folder.description import Language, ModelDescription, ModelFolderError


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Data folder of a user without any files; there is no shipped model."""
    monkeypatch.setenv("CG2LS_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("cg2ls.models.folder.locations.SHIPPED_DEFAULT", tmp_path / "shipped")
    return tmp_path / "home"


@pytest.fixture
def folder(tiny_model: Path, tmp_path: Path) -> Path:
    """A model called `mine` that knows Python."""
    copy = Path(shutil.copytree(tiny_model, tmp_path / "given"))
    known = {"python": Language(1.2)}
    dataclasses.replace(ModelDescription.read(copy), name="mine", languages=known).write(copy)
    return copy


def cg2ls(*arguments: object) -> int:
    parser = argparse.ArgumentParser()
    models.add_parser(parser.add_subparsers(required=True))
    args = parser.parse_args(["models", *map(str, arguments)])
    code = args.run(args)
    assert isinstance(code, int)
    return code


def test_a_model_is_added_listed_chosen_verified_and_removed(home, folder, capsys):
    assert cg2ls("list") == 1
    assert "cg2ls models add FOLDER" in capsys.readouterr().out

    assert cg2ls("add", folder) == 0
    assert "Use it with: cg2ls models use mine" in capsys.readouterr().out

    assert cg2ls("use", "mine") == 0
    assert cg2ls("use", "mine", "--language", "python") == 0
    assert read_lasting(home / "models.json") == LastingChoices(
        general="mine", by_language={"python": "mine"}
    )
    capsys.readouterr()

    assert cg2ls("list") == 0
    head, row = capsys.readouterr().out.splitlines()
    assert head.split("  ")[0] == "name"
    assert row.split()[0] == "mine"
    assert row.endswith("all, python")
    assert "python" in row.split()

    assert cg2ls("verify") == 0
    assert "mine is whole and unchanged" in capsys.readouterr().out

    assert cg2ls("remove", "mine") == 0
    assert read_lasting(home / "models.json") == LastingChoices(), "nothing names the removed model"


def test_list_as_json(home, folder, capsys):
    cg2ls("add", folder)
    cg2ls("use", "mine", "--language", "go")
    capsys.readouterr()
    assert cg2ls("list", "--json") == 0
    [model] = json.loads(capsys.readouterr().out)
    about = ModelDescription.read(folder)
    assert model == {
        "name": "mine",
        "folder": str(home / "models" / "mine"),
        "problem": "",
        "shipped": False,
        "in_use_for": ["go"],
        "precision": about.precision,
        "bytes": sum(entry.bytes for entry in about.files.values()),
        "context_length": about.context_length,
        "languages": ["python"],
        "license": about.license,
        "quality": dict(about.quality),
    }


def test_a_damaged_model_is_listed_with_its_problem(home, folder, capsys):
    cg2ls("add", folder)
    (home / "models" / "mine" / "model.json").write_text("[]")
    cg2ls("list")
    assert "damaged" in capsys.readouterr().out
    cg2ls("list", "--json")
    assert json.loads(capsys.readouterr().out)[0]["problem"]


def test_the_shipped_model_answers_for_all_until_another_is_chosen(home, folder, capsys, tmp_path):
    shutil.copytree(folder, tmp_path / "shipped")
    cg2ls("list")
    assert capsys.readouterr().out.splitlines()[1].endswith("all")
    cg2ls("add", folder)
    cg2ls("use", "mine")
    cg2ls("use", "default")
    capsys.readouterr()
    cg2ls("list")
    assert [line.endswith("all") for line in capsys.readouterr().out.splitlines()[1:]] == [True, False]


def test_use_takes_a_folder_and_keeps_its_absolute_path(home, folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    cg2ls("use", "given")
    assert read_lasting(home / "models.json").general == str(folder)


def test_use_warns_of_an_unknown_language(home, folder, capsys):
    cg2ls("add", folder)
    cg2ls("use", "mine", "--language", "rust")
    assert "trained on python only" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["use", "x"], "no model 'x'"),
        (["verify", "x"], "no model 'x'"),
        (["verify"], "no default model"),
        (["remove", "x"], "no added model 'x'"),
        (["add", "/nowhere"], "is not a model folder"),
    ],
)
def test_missing_model_is_named(home, arguments, says):
    with pytest.raises(ModelFolderError, match=says):
        cg2ls(*arguments)


def test_verify_finds_a_changed_file(home, folder):
    cg2ls("add", folder)
    weights = home / "models" / "mine" / "model.onnx.data"
    weights.write_bytes(weights.read_bytes()[:-1] + b"?")
    with pytest.raises(ModelFolderError, match="SHA-256 differs"):
        cg2ls("verify", "mine")
