"""The command line: one table line, one-line errors, help that teaches."""

from __future__ import annotations

import json

import pytest

from cg2_quantize import convert
from cg2_quantize.cli import main
from cg2ls.codegen2 import Checkpoint
from cg2ls.modelfolder import ModelDescription
from cg2ls.modelfolder.locate import locate_model


def test_converts_and_prints_one_table_line(checkpoint, tmp_path, capsys):
    assert (
        main(
            [
                str(checkpoint),
                "-o",
                str(tmp_path / "model"),
                "--format",
                "int4",
                "--name",
                "mine",
                "--proof",
                "none",
            ]
        )
        == 0
    )
    heads, row = capsys.readouterr().out.splitlines()
    assert heads.split() == ["model", "format", "parameters", "bytes", "bits/weight", "seconds"]
    assert row.split()[:2] == ["mine", "int4"]
    assert ModelDescription.read(tmp_path / "model").precision == "int4"


def test_json_report(checkpoint, tmp_path, capsys):
    assert main([str(checkpoint), "-o", str(tmp_path / "model"), "--json", "--proof", "none"]) == 0
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
        (["no/such/folder", "-o", "out"], "no/such/folder does not exist"),
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


@pytest.mark.parametrize("arguments", [["--help"], ["dequantize", "--help"], ["compare", "--help"]])
def test_help_shows_an_example(arguments, capsys):
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 0
    assert "example:" in capsys.readouterr().out


def test_auto_prints_its_sum(checkpoint, tmp_path, capsys):
    assert main([str(checkpoint), "-o", str(tmp_path / "model"), "--format", "auto", "--proof", "none"]) == 0
    said = capsys.readouterr()
    assert "int8 (float32 cache)" in said.err
    assert " weights + " in said.err
    assert ModelDescription.read(tmp_path / "model").precision == "int8"


def test_use_hands_the_model_to_the_server(checkpoint, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("CG2LS_HOME", str(tmp_path / "home"))
    assert main([str(checkpoint), "-o", str(tmp_path / "model"), "--proof", "none", "--use"]) == 0
    assert locate_model().folder == tmp_path / "home" / "models" / "random"


def test_a_progress_bar_counts_every_byte_of_the_weights(checkpoint, tmp_path, config):
    told = []
    convert(checkpoint, tmp_path / "model", progress=told.append)
    assert sum(told) == 4 * config.n_parameters
