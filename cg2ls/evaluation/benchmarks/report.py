"""The report of a suite: JSON, a table, a page that loads nothing, and the scores that are stored with the model."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import Any

from cg2ls.commandline import aligned
from cg2ls.errors import EvaluationError
from cg2ls.evaluation.benchmarks.estimators import Estimate, estimate_differences, estimate_shares
from cg2ls.evaluation.benchmarks.journal import JournalRow
from cg2ls.evaluation.picture import COLOURS
from cg2ls.files import write_atomically
from cg2ls.models.folder.description import ModelDescription

Json = dict[str, Any]

BY_TRIGGER = {"invoked": "by request", "automatic": "unasked"}
"""Names of the triggers in tables."""

BAR_WIDTH, BAR_HEIGHT, LABEL_WIDTH = 420, 16, 250
"""Pixels of a bar at 1.0, of a row, and of the labels."""


def make_report(
    about: Json, rows: Sequence[JournalRow], others: Mapping[str, Sequence[JournalRow]], ks: Sequence[int]
) -> Json:
    """Return the report.

    Args:
        about: model, suite and settings.
        rows: rows of the model.
        others: rows of other models or earlier reports, by name.
        ks: k of every pass@k.

    Raises:
        EvaluationError: another report has no task in common.
    """
    report = dict(about)
    report["scores"] = {
        trigger: {name: one.to_json() for name, one in estimate_shares(of_trigger, ks).items()}
        for trigger, of_trigger in split_by_trigger(rows).items()
    }
    if others:
        report["against"] = {name: _compare(name, rows, theirs, ks) for name, theirs in others.items()}
    report["rows"] = [row.to_json() for row in rows]
    return report


def _compare(name: str, rows: Sequence[JournalRow], theirs: Sequence[JournalRow], ks: Sequence[int]) -> Json:
    ours_by, theirs_by = split_by_trigger(rows), split_by_trigger(theirs)
    found: Json = {"scores": {}, "difference": {}}
    for trigger in ours_by:
        if trigger not in theirs_by:
            continue
        keys = {row.key for row in ours_by[trigger]}
        shared = [row for row in theirs_by[trigger] if row.key in keys]
        if not shared:
            raise EvaluationError(f"{name} has no task of this run; measure both with the same --suite.")
        found["scores"][trigger] = {key: one.to_json() for key, one in estimate_shares(shared, ks).items()}
        differences = estimate_differences(ours_by[trigger], shared, ks)
        found["difference"][trigger] = {key: one.to_json() for key, one in differences.items()}
    return found


def split_by_trigger(rows: Sequence[JournalRow]) -> dict[str, list[JournalRow]]:
    """Return the rows by trigger, in order of first appearance."""
    found: dict[str, list[JournalRow]] = {}
    for row in rows:
        found.setdefault(row.trigger, []).append(row)
    return found


def read_rows(path: Path) -> list[JournalRow]:
    """Read the rows of an earlier report.

    Raises:
        EvaluationError: the file is no report of this command.
    """
    try:
        return [JournalRow.from_json(row) for row in json.loads(path.read_text("utf-8"))["rows"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EvaluationError(
            f"{path} is not a report of `cg2ls evaluate` ({error}); name one, or a model folder."
        ) from None


def format_report(report: Json) -> str:
    """Format the scores, and how they differ from others."""
    head = f"{report['model']['name']}: {report['suite']['title']}, {report['suite']['tasks']} tasks"
    parts = [head, _format_scores(report["scores"])]
    for name, other in report.get("against", {}).items():
        parts.append(f"{name}\n" + _format_scores(other["scores"]))
        parts.append(f"difference to {name}\n" + _format_scores(other["difference"], "+.3f"))
    return "\n\n".join(parts)


def _format_scores(scores: Json, form: str = ".3f") -> str:
    names = list(dict.fromkeys(name for found in scores.values() for name in found))
    rows = [["", *(BY_TRIGGER.get(trigger, trigger) for trigger in scores)]]
    for name in names:
        cells = []
        for found in scores.values():
            one = found.get(name)
            cells.append(f"{one['mean']:{form}} [{one['low']:{form}}, {one['high']:{form}}]" if one else "")
        rows.append([name, *cells])
    return aligned(rows)


def draw_page(report: Json) -> str:
    """Draw the report as one HTML page with a bar and an interval for each score."""
    parts = [f"<h1>{escape(report['model']['name'])}: {escape(report['suite']['title'])}</h1>"]
    parts.append(f"<p>{report['suite']['tasks']} tasks. Brackets and whiskers are 95 % intervals.</p>")
    parts.append(_draw_bars(report["scores"]))
    for name, other in report.get("against", {}).items():
        parts.append(f"<h2>{escape(name)}</h2>" + _draw_bars(other["scores"]))
        parts.append(f"<h2>Difference to {escape(name)}</h2>")
        parts.append(f"<pre>{escape(_format_scores(other['difference'], '+.3f'))}</pre>")
    parts.append(f"<h2>Settings</h2><pre>{escape(json.dumps(_settings(report), indent=2))}</pre>")
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>cg2ls evaluate</title>'
        '<body style="font-family:sans-serif;max-width:60em;margin:2em auto">'
        + "".join(parts)
        + "</body></html>\n"
    )


def _settings(report: Json) -> Json:
    return {name: value for name, value in report.items() if name not in ("rows", "scores", "against")}


def _draw_bars(scores: Json) -> str:
    bars: list[str] = []
    top = 4
    for number, (trigger, found) in enumerate(scores.items()):
        for name, one in found.items():
            label = f"{name}, {BY_TRIGGER.get(trigger, trigger)}"
            bars.append(_draw_bar(top, label, one, COLOURS[number % len(COLOURS)]))
            top += BAR_HEIGHT + 4
    width = LABEL_WIDTH + BAR_WIDTH + 180
    return f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{top}">{"".join(bars)}</svg>'


def _draw_bar(top: int, label: str, one: Mapping[str, float], colour: str) -> str:
    length, low, high = (BAR_WIDTH * min(1.0, max(0.0, one[key])) for key in ("mean", "low", "high"))
    middle, base = top + BAR_HEIGHT / 2, top + BAR_HEIGHT - 4
    numbers = str(Estimate(one["mean"], one["low"], one["high"], int(one["of"])))
    return (
        f'<text x="{LABEL_WIDTH - 8}" y="{base}" text-anchor="end" font-size="12">{escape(label)}</text>'
        f'<rect x="{LABEL_WIDTH}" y="{top}" width="{length:.1f}" height="{BAR_HEIGHT}" fill="{colour}"'
        ' fill-opacity="0.6"/>'
        f'<line x1="{LABEL_WIDTH + low:.1f}" x2="{LABEL_WIDTH + high:.1f}" y1="{middle}" y2="{middle}"'
        ' stroke="#333"/>'
        f'<text x="{LABEL_WIDTH + high + 8:.1f}" y="{base}" font-size="12">{escape(numbers)}</text>'
    )


CARD = "README.md"
HEADING = "## Scales"

RECORDED = ("exact", "exact_of_shown", "shown", "pass@1", "pass@10")
"""Measures that are stored."""


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
