"""Store the scores of a whole suite with the model: numbers in model.json, and a section of its card."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from cg2ls.evaluation.benchmarks.report import BY_TRIGGER
from cg2ls.evaluation.errors import EvaluationError
from cg2ls.files import write_atomically
from cg2ls.models.folder.description import ModelDescription

CARD = "README.md"
HEADING = "## Scales"

RECORDED = ("exact", "exact_of_shown", "shown", "pass@1", "pass@10")
"""Measures that are stored."""

Json = dict[str, Any]


def record_scores(folder: Path, report: Json, *, is_whole: bool) -> None:
    """Record a suite's scores in a model folder.

    Args:
        folder: the model folder.
        report: report of the suite.
        is_whole: whether every task was completed.

    Raises:
        EvaluationError: only some tasks were completed.
        ModelFolderError: model.json cannot be read.
    """
    if not is_whole:
        raise EvaluationError("Only scores of a whole suite are recorded; leave out --limit or --record.")
    suite = report["suite"]
    model = ModelDescription.read(folder)
    found = {
        name_score(suite["name"], measure, trigger): one["mean"]
        for trigger, scores in report["scores"].items()
        for measure, one in scores.items()
        if measure in RECORDED
    }
    replace(model, quality={**model.quality, **found}).write(folder)
    card = folder / CARD
    text = card.read_text("utf-8") if card.is_file() else f"# {model.name}\n"
    write_atomically(card, put_section(text, suite["title"], _format_rows(report)))


def name_score(suite: str, measure: str, trigger: str) -> str:
    """Return the key of a score in model.json's `quality`."""
    return f"{suite} {measure} {BY_TRIGGER[trigger]}"


def put_section(card: str, title: str, rows: list[str]) -> str:
    """Return a card with the rows of one suite in its section of scales; other suites' rows stay.

    Args:
        card: the card's text.
        title: name of the suite, which begins its rows.
        rows: rows of the table.
    """
    head = ["| scale | measure | by request | unasked |", "| --- | --- | --- | --- |"]
    pattern = re.compile(rf"^{re.escape(HEADING)}\n.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)
    known = pattern.search(card)
    kept = [
        line
        for line in (known.group().splitlines() if known else [])
        if line.startswith("| ") and line not in head and not line.startswith(f"| {title} |")
    ]
    section = "\n".join(
        [HEADING, "", *head, *kept, *rows, "", "Brackets are 95 % intervals (`cg2ls evaluate`).", ""]
    )
    if known:
        return (
            card[: known.start()] + section + ("\n" if known.end() < len(card) else "") + card[known.end() :]
        )
    place = card.find("\n## ")
    return card.rstrip("\n") + "\n\n" + section if place < 0 else f"{card[:place]}\n{section}{card[place:]}"


def _format_rows(report: Json) -> list[str]:
    scores = report["scores"]
    measures = [name for name in RECORDED if any(name in found for found in scores.values())]
    return [
        f"| {report['suite']['title']} | {measure} | "
        + " | ".join(_format_cell(scores.get(trigger, {}).get(measure)) for trigger in BY_TRIGGER)
        + " |"
        for measure in measures
    ]


def _format_cell(one: Json | None) -> str:
    return f"{one['mean']:.3f} [{one['low']:.3f}, {one['high']:.3f}]" if one else ""
