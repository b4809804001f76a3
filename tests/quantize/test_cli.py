"""The command line: one table line, one-line errors, help that teaches."""

from __future__ import annotations

import json

import pytest

from cg2_quantize.cli import main
from cg2ls.codegen2 import Checkpoint
from cg2ls.modelfolder import ModelDescription


def test_converts_and_prints_one_table_line(checkpoint, tmp_path, capsys):
    assert main([str(checkpoint), "-o", str(tmp_path / "model"), "--format", "int4", "--name", "mine"]) == 0
    heads, row = capsys.readouterr().out.splitlines()
    assert heads.split() == ["model", "format", "parameters", "bytes", "bits/weight", "seconds"]
    assert row.split()[:2] == ["mine", "int4"]
    assert ModelDescription.read(tmp_path / "model").precision == "int4"


def test_json_report(checkpoint, tmp_path, capsys):
    assert main([str(checkpoint), "-o", str(tmp_path / "model"), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["precision"] == "int8"
    assert report["folder"] == str(tmp_path / "model")


def test_dequantizes(folders, tmp_path, capsys):
    assert main(["dequantize", str(folders["int8"]), "-o", str(tmp_path / "again")]) == 0
    assert "4 qkv groups" in capsys.readouterr().out
    assert Checkpoint.open(tmp_path / "again").config.qkv_groups == 4


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["no/such/folder", "-o", "out"], "config.json is missing"),
        (["dequantize", "no/such/folder", "-o", "out"], "is not a model folder"),
    ],
)
def test_errors_are_one_line(arguments, says, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 1
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1


def test_a_group_count_that_does_not_fit_the_heads(checkpoint, tmp_path, capsys):
    assert main([str(checkpoint), "-o", str(tmp_path / "out"), "--qkv-groups", "3"]) == 1
    assert "--qkv-groups" in capsys.readouterr().err


def test_a_place_that_cannot_be_written(checkpoint, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main([str(checkpoint), "-o", str(tmp_path / "file" / "out")]) == 1
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("arguments", [["--help"], ["dequantize", "--help"]])
def test_help_shows_an_example(arguments, capsys):
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 0
    assert "example:" in capsys.readouterr().out
