"""The command line: a one-line table, one-line errors, and help."""

from __future__ import annotations

import json
import shutil

import pytest

from cg2_quantize import convert, formats
from cg2_quantize.cli import main
from cg2_quantize.commands import convert as convert_command
from cg2_quantize.planning.machine import Machine
from cg2_quantize.verification import prove
from cg2ls.models.codegen2 import Checkpoint
from cg2ls.models.folder import ModelDescription
from cg2ls.models.folder.locations import SHIPPED_DEFAULT
from cg2ls.models.folder.store import locate_model


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
        (
            ["no/such/folder", "-o", "out", "--context", "0"],
            "--context 0 is too short: completing needs 32 tokens",
        ),
        (["no/such/folder", "-o", "out", "--context", "-5"], "--context -5 is too short"),
        ([str(SHIPPED_DEFAULT), "-o", "out"], "is already a model folder"),
    ],
)
def test_errors_are_reported_in_one_line(arguments, says, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 1
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1


def test_a_group_count_that_does_not_fit_the_heads(checkpoint, tmp_path, capsys):
    assert main([str(checkpoint), "-o", str(tmp_path / "out"), "--qkv-groups", "3"]) == 1
    assert "--qkv-groups" in capsys.readouterr().err


def test_an_output_that_cannot_be_written_is_reported(checkpoint, tmp_path, capsys):
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
    convert(checkpoint, tmp_path / "model", on_progress=told.append)
    assert sum(told) == 4 * config.n_parameters


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--for", "cuda"], "--format auto finds nothing for --for cuda: no NVIDIA card is found here"),
        (["--portable", "--kv", "int8"], "leave --kv out here"),
        (["--portable", "--calibrate"], "leave it out here"),
        (["--genai", "--kv", "int8"], "--genai is for a float cache"),
    ],
)
def test_auto_refuses_what_it_cannot_honour(checkpoint, tmp_path, capsys, monkeypatch, options, says):
    monkeypatch.setattr("cg2_quantize.planning.machine.inspect_machine", lambda: Machine(memory=8 << 30))
    assert main([str(checkpoint), "-o", str(tmp_path / "out"), "--format", "auto", *options]) == 1
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--portable"], ("int8", "float32")),
        (["--calibrate"], ("int6", "float32")),
        (["--kv", "int8"], ("int8", "int8")),
    ],
)
def test_auto_respects_the_other_options(checkpoint, tmp_path, capsys, monkeypatch, options, expected):
    monkeypatch.setattr("cg2_quantize.planning.machine.inspect_machine", lambda: Machine(memory=8 << 30))
    words = [str(checkpoint), "-o", str(tmp_path / "out"), "--format", "auto", "--proof", "none", *options]
    assert main(words) == 0
    model = ModelDescription.read(tmp_path / "out")
    assert (model.precision, model.kv_dtype) == expected
    assert "of 7.20 GiB" in capsys.readouterr().err


def test_an_unknown_key_is_refused_unless_ignored(checkpoint, tmp_path, capsys):
    copy = shutil.copytree(checkpoint, tmp_path / "copy")
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(config | {"wandb_run": "r7"}))
    words = [str(copy), "-o", str(tmp_path / "out"), "--proof", "none"]
    assert main(words) == 1
    assert "pass --ignore-key wandb_run" in capsys.readouterr().err
    assert main([*words, "--ignore-key", "wandb_run"]) == 0


def test_choices_of_the_command_are_those_of_the_modules_behind_it():
    """The command does not import these modules, so that its help is fast."""
    assert convert_command.FORMATS == formats.FORMATS
    assert convert_command.TARGETS == formats.TARGETS
    assert convert_command.PROOFS == prove.PROOFS
