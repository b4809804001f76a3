"""`cg2ls evaluate`."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import get_args

import pytest

from cg2ls.cli.evaluate import CHOOSE
from cg2ls.cli.main import main
from cg2ls.completion.options import Choose, CompletionOptions
from cg2ls.models.folder.description import ModelDescription

FEW = ("evaluate", "--suite", "humaneval-infilling-single", "--limit", "4", "--threads", "1")


@pytest.fixture
def arguments(tiny_model: Path) -> list[str]:
    return [FEW[0], str(tiny_model), *FEW[1:]]


def test_one_command_gives_scores_a_report_and_a_page(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report, page = tmp_path / "report.json", tmp_path / "page.html"
    assert main([*arguments, "--output", str(report), "--page", str(page)]) == 0
    out, err = capsys.readouterr()
    assert "HumanEval-Infilling, single line, 4 tasks" in out
    assert "by request" in out
    assert "8 of 8 answers" in err
    found = json.loads(report.read_text())
    assert found["scores"].keys() == {"invoked", "automatic"}
    assert found["scores"]["invoked"]["exact"].keys() == {"mean", "low", "high", "of"}
    assert len(found["rows"]) == 8
    assert sorted(path.name for path in tmp_path.iterdir()) == ["page.html", "report.json"]
    HTMLParser().feed(page.read_text())
    assert "<svg" in page.read_text()


def test_two_models_are_compared_task_by_task(
    arguments: list[str], tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "report.json"
    assert main([*arguments, "--trigger", "invoked", "--output", str(report)]) == 0
    capsys.readouterr()
    against = ["--against", str(report), "--against", str(tiny_model)]
    assert main([*arguments, "--trigger", "invoked", "--json", *against]) == 0
    found = json.loads(capsys.readouterr().out)
    for name in (str(report), str(tiny_model)):
        difference = found["against"][name]["difference"]["invoked"]["edit_similarity"]
        assert difference == {"mean": 0.0, "low": 0.0, "high": 0.0, "of": 4}


def test_a_report_of_something_else_is_refused(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other.json"
    other.write_text("{}")
    assert main([*arguments, "--trigger", "invoked", "--against", str(other)]) == 1
    assert "is not a report of `cg2ls evaluate`" in capsys.readouterr().err


def test_a_run_resumes_from_its_journal(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from cg2ls.evaluation.benchmarks import run

    report, judged, real = tmp_path / "report.json", [], run.judge_answer

    def stop_at_the_third(*given: object) -> object:
        if len(judged) == 2:
            raise KeyboardInterrupt
        judged.append(given)
        return real(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(run, "judge_answer", stop_at_the_third)
    assert main([*arguments, "--output", str(report)]) == 130
    assert not report.exists()
    monkeypatch.setattr(run, "judge_answer", real)
    assert main([*arguments, "--output", str(report)]) == 0
    assert "6 of 6 answers" in capsys.readouterr().err
    assert len(json.loads(report.read_text())["rows"]) == 8


def test_an_impossible_measurement_is_reported_in_one_sentence(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for more in (["--data", str(tmp_path / "none.jsonl")], ["--samples", "3"], ["--suite", "safim"]):
        assert main([*arguments, *more]) == 1
        err = capsys.readouterr().err
        assert err.count("\n") == 1
        assert err.startswith("cg2ls: ")


def test_a_model_that_only_continues_is_measured_as_such(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import shutil
    from dataclasses import replace

    folder = tmp_path / "causal"
    shutil.copytree(tiny_model, folder)
    model = ModelDescription.read(folder)
    replace(model, infill=replace(model.infill, objectives=("causal",))).write(folder)
    assert main([FEW[0], str(folder), *FEW[1:], "--trigger", "invoked"]) == 0
    assert "4 tasks" in capsys.readouterr().out


def test_lines_are_compared_when_the_server_compares_them() -> None:
    assert set(CHOOSE) == set(get_args(Choose))
    assert CHOOSE[0] == CompletionOptions().choose
