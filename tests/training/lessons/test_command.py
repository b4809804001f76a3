"""`cg2-train lessons` end to end at toy size, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from cg2_training.cli.main import main
from tests.training.lessons.conftest import TOY

SETTINGS = [word for setting in TOY for word in ("--set", setting)]


def test_two_arms_and_two_seeds_become_a_report(
    shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    work, report = tmp_path / "work", tmp_path / "docs" / "lessons.md"
    command = ["lessons", "2", "--seeds", "2", "--rows", "20", "--corpus", str(shards), "--work", str(work)]
    assert main([*command, *SETTINGS, "--report", str(report)]) == 0
    told = capsys.readouterr()
    assert "4 of 4: psm (causal + PSM infill), seed 2" in told.err
    assert "2. Infilling is not free: Claimed directions: 2." in told.out
    first = report.read_text("utf-8")
    assert "| psm: causal + PSM infill | 2 | 1,536 | code 0." in first
    assert (report.parent / "lessons-figures" / "lesson2.svg").exists()
    assert main(["lessons", "--report-only", "--work", str(work), "--report", str(report)]) == 0
    assert report.read_text("utf-8") == first


def test_without_text_the_other_lessons_are_printed_as_jobs(
    shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["lessons", "2", "4", "--seeds", "1", "--corpus", str(shards), "--work", str(tmp_path / "work")]
    assert main([*command, *SETTINGS, "--print-jobs"]) == 0
    told = capsys.readouterr()
    assert told.err == "cg2-train: Lesson 4 needs a text corpus; name one with --text-corpus.\n"
    assert [line.split()[0] for line in told.out.splitlines()] == ["torchrun", "torchrun"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            [
                "2",
                "--corpus",
                "CODE",
                "--set",
                "run.steps=2",
                "--set",
                "optimizer.warmup_steps=1",
                "--arm",
                "dense",
            ],
            "the lessons have no arm 'dense'",
        ),
        (["2"], "the lessons need a code corpus; name its token shards with --corpus FOLDER."),
        (["6", "--corpus", "CODE"], "there is no lesson 6; choose from 1, 2, 3, 4, 5 and mixtures."),
        (["2", "--corpus", "none"], "none has no token shard train; make it with cg2-train tokenize"),
        (["2", "--corpus", "CODE", "--size", "3m"], "there is no size '3m'"),
        (["2", "--corpus", "CODE"], "add documents, choose a smaller --size"),
        (["4", "--corpus", "CODE"], "Lesson 4 needs a text corpus"),
        (["--report-only", "--work", "none"], "contains no results"),
    ],
)
def test_a_refusal_is_reported_in_one_line(
    arguments: list[str],
    says: str,
    shards: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["lessons", *(str(shards) if word == "CODE" else word for word in arguments)]) == 1
    told = capsys.readouterr().err
    assert says in told
    assert told.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_help_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["lessons", "--help"])
    assert (
        "cg2-train lessons 2 3 --size 2m --seeds 3 --hours 2 --corpus runs/shards" in capsys.readouterr().out
    )
