"""`cg2ls doctor`."""

from __future__ import annotations

import argparse
import json
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from cg2ls import machine
from cg2ls.cli import doctor
from cg2ls.cli.nvidia import Nvidia
from cg2ls.engine import EngineError
from cg2ls.models.folder.locations import SHIPPED_DEFAULT

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user without any files; there is no shipped model."""
    monkeypatch.setenv("CG2LS_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("cg2ls.models.folder.locations.SHIPPED_DEFAULT", tmp_path / "shipped")
    return tmp_path / "home"


def diagnose(*arguments: object) -> int:
    parser = argparse.ArgumentParser()
    doctor.add_parser(parser.add_subparsers(required=True))
    args = parser.parse_args(["doctor", *map(str, arguments)])
    code = args.run(args)
    assert isinstance(code, int)
    return code


def test_doctor_reports_that_completion_works(tiny_model, capsys):
    assert diagnose("--model", tiny_model, "--threads", 1) == 0
    out = capsys.readouterr().out
    assert out.endswith("Completion works here.\n")
    for said in (
        "whole and unchanged",
        "given on the command line",
        "cpu (",
        "1 threads",
        "first token",
        "call of 8 tokens",
        "4 contexts",
    ):
        assert said in out


def test_doctor_prints_json(tiny_model, capsys, home):
    assert diagnose("--model", tiny_model, "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["problems"] == []
    assert {"software", "machine", "folders", "privacy", "model"} == report["facts"].keys()
    assert report["facts"]["folders"]["models"] == str(home / "models")
    assert report["facts"]["folders"]["memory"] == str(home / "cache")
    assert "cpu" in report["facts"]["software"]["providers"].split(", ")


def test_missing_model_is_a_problem_with_a_remedy(capsys):
    assert diagnose() == 1
    out = capsys.readouterr().out
    assert "Completion does not work here:" in out
    assert "cg2ls models add FOLDER" in out.splitlines()[-1]


def test_a_changed_model_is_a_problem(tiny_model, tmp_path, capsys):
    for path in tiny_model.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "tokenizer.json").write_text("{}")
    assert diagnose("--model", tmp_path) == 1
    assert "tokenizer.json has 2 bytes" in capsys.readouterr().out


def test_a_missing_runtime_and_packages_are_problems(tiny_model, monkeypatch, capsys):
    def missing():
        raise EngineError("onnxruntime is not installed; install it with: pip install onnxruntime")

    monkeypatch.setattr(doctor, "import_onnxruntime", missing)
    monkeypatch.setattr(doctor, "find_package_version", lambda *names: None)
    assert diagnose("--model", tiny_model) == 1
    out = capsys.readouterr().out
    assert "The package pygls is missing; install it with: pip install pygls" in out
    assert "pip install onnxruntime" in out


def test_a_provider_that_is_not_on_this_machine_is_not_listed(tiny_model, monkeypatch, capsys):
    offered = ["AzureExecutionProvider", "VitisAIExecutionProvider", "CPUExecutionProvider"]
    runtime = SimpleNamespace(get_available_providers=lambda: offered)
    monkeypatch.setattr(doctor, "import_onnxruntime", lambda: runtime)
    assert diagnose("--model", tiny_model, "--json") == 0
    assert json.loads(capsys.readouterr().out)["facts"]["software"]["providers"] == "cpu"


@pytest.mark.parametrize("name", ["azure", "AzureExecutionProvider"])
def test_a_provider_that_is_not_on_this_machine_is_refused(tiny_model, capsys, name):
    assert diagnose("--model", tiny_model, "--provider", name) == 1
    assert f"provider '{name}' is unknown" in capsys.readouterr().out


def test_doctor_reports_the_privacy_promises(tiny_model, monkeypatch, capsys):
    assert diagnose("--model", tiny_model) == 0
    out = capsys.readouterr().out
    assert "off, even if your environment sets it otherwise (ORT_DISABLE_TELEMETRY=1" in out
    monkeypatch.setenv("ORT_DISABLE_TELEMETRY", "0")
    diagnose("--model", tiny_model)
    assert "NOT OFF" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("language", "said"),
    [
        (None, "Completion works here."),
        ("python", "Completion works here in python."),
        ("py", "Completion works here in py."),
    ],
)
def test_a_language_that_the_model_knows_works(language, said, capsys):
    model = SHIPPED_DEFAULT
    assert diagnose("--model", model, *(["--language", language] if language else [])) == 0
    assert capsys.readouterr().out.endswith(f"{said}\n")


@pytest.mark.parametrize("language", ["rust", "javascriptreact"])
def test_unknown_language_is_a_problem_with_a_remedy(language, capsys):
    assert diagnose("--model", SHIPPED_DEFAULT, "--language", language) == 1
    out = capsys.readouterr().out
    assert "Completion works here" not in out
    assert f"was trained on python and stays silent in {language}" in out
    assert f"`cg2ls models use NAME --language {language}`" in out


def test_model_without_listed_languages_completes_any(tiny_model, capsys):
    assert diagnose("--model", tiny_model, "--language", "rust") == 0
    assert capsys.readouterr().out.endswith("Completion works here in rust.\n")


def test_an_unsupported_python_is_a_problem(tiny_model, monkeypatch, capsys):
    monkeypatch.setattr(doctor, "SUPPORTED_PYTHONS", ((3, 1), (3, 2)))
    assert diagnose("--model", tiny_model) == 1
    assert "use 3.11 to 3.14" in capsys.readouterr().out


def test_an_idle_card_is_noted(tiny_model, monkeypatch, capsys):
    monkeypatch.setattr(doctor, "find_nvidia", lambda: Nvidia(cards=("NVIDIA X, 600.1, 8192 MiB",)))
    assert diagnose("--model", tiny_model) == 0
    out = capsys.readouterr().out
    assert "note: There is an NVIDIA card" in out
    assert "onnxruntime-gpu is not installed: pip uninstall onnxruntime, then pip install" in out


CPUINFO = "processor: 0\nmodel name\t: Some CPU @ 3 GHz\nflags\t\t: fpu avx2 avx512f avx512_vnni\n"


def test_the_processor_is_described_from_cpuinfo(tmp_path):
    (tmp_path / "cpuinfo").write_text(CPUINFO)
    assert machine.read_cpu(tmp_path / "cpuinfo") == ("Some CPU @ 3 GHz", ["avx2", "avx512f", "avx512_vnni"])


def test_versions_name_the_package_that_was_found():
    assert machine.find_package_version("numpy")
    assert machine.find_package_version("no-such-package") is None
    assert machine.find_package_version("no-such-package", "numpy").endswith("(numpy)")
