"""The report of stored results."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from cg2_training.errors import TrainingError
from cg2_training.lessons.arms import lessons_of
from cg2_training.lessons.findings import lesson_findings
from cg2_training.lessons.report import write_report
from cg2_training.lessons.results import read_results, write_result
from tests.training.lessons.conftest import made_up_scores, notes


def test_the_report_has_tables_figure_and_sentence(stored: Path, tmp_path: Path) -> None:
    report = tmp_path / "out" / "lessons.md"
    write_report(stored, report)
    text = report.read_text("utf-8")
    assert "# The paper's five lessons at 2m" in text
    assert "Claimed directions: 2. Shown at this size: 2." in text
    assert "| code, left to right | bits per byte | 0.9" in text
    assert "The direction shows: psm against causal on code, left to right (+0.0481 bits per byte" in text
    assert "Not run: there are no two arms" in text
    assert "`<eom>`" in text
    ElementTree.parse(report.parent / "lessons-figures" / "lesson2.svg")
    page = report.with_suffix(".html").read_text("utf-8")
    assert "<svg" in page
    assert "&lt;eom&gt;" in page
    assert "http-equiv" not in page
    assert [path.name for path in (report.parent / "lessons-figures").iterdir()] == ["lesson2.svg"]


def test_the_same_results_give_the_same_bytes(stored: Path, tmp_path: Path) -> None:
    pages = []
    for name in ("one", "two"):
        write_report(stored, tmp_path / name / "lessons.md", lessons_of([2]))
        pages.append(
            sorted(
                (path.name, path.read_bytes()) for path in (tmp_path / name).rglob("*.*") if path.is_file()
            )
        )
    assert pages[0] == pages[1]


@pytest.mark.parametrize(
    ("seeds", "says"),
    [
        ({1: 2.1, 2: 2.1}, "The direction shows: psm against causal on code, left to right"),
        ({1: 1.9, 2: 1.9}, "The opposite direction shows: psm against causal on code, left to right"),
        ({1: 2.1}, "one seed does not show the spread over seeds"),
        ({1: 2.3, 2: 1.9}, "the seeds disagree in sign"),
        ({1: 2.0, 2: 2.0}, "the interval includes zero"),
        ({}, "Not measured: psm against causal"),
    ],
)
def test_the_sentence_says_what_was_resolved(seeds: dict[int, float], says: str, tmp_path: Path) -> None:
    for seed in (1, 2):
        write_result(tmp_path, "causal", seed, notes("causal"), made_up_scores({"causal": 2.0}, seed=seed))
    for seed, nats in seeds.items():
        write_result(tmp_path, "psm", seed, notes("psm"), made_up_scores({"causal": nats}, seed=seed))
    (found,) = lesson_findings(read_results(tmp_path), lessons_of([2]))
    assert says in found.findings[0].sentence


def test_results_of_two_commits_give_no_report(stored: Path, tmp_path: Path) -> None:
    write_result(stored, "ul2", 1, notes("ul2", commit="def"), made_up_scores({}))
    with pytest.raises(TrainingError, match="results of commit abc and def are in one folder"):
        write_report(stored, tmp_path / "lessons.md")


def test_a_report_is_markdown(stored: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"is no Markdown file; choose a name that ends in \.md"):
        write_report(stored, tmp_path / "lessons.html")
