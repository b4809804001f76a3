"""Generates the report of the lessons from stored results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cg2_training.errors import TrainingError
from cg2_training.lessons.arms import MIXTURES, Lesson
from cg2_training.lessons.findings import (
    Finding,
    LessonFindings,
    Level,
    label_of,
    lesson_findings,
    level,
    measures_of,
    title_of,
    unit_of,
)
from cg2_training.lessons.page import (
    Block,
    Command,
    Figure,
    Heading,
    Paragraph,
    Table,
    draw_effects,
    to_html,
    to_markdown,
)
from cg2_training.lessons.results import Results, read_results
from cg2ls.files import write_atomically

UNKNOWN = "n/a"


def write_report(folder: Path, report: Path, lessons: Sequence[Lesson] | None = None) -> list[LessonFindings]:
    """Write the report as Markdown, as HTML in the same folder, and its figures in a folder named after it.

    Args:
        folder: folder of the results.
        report: the Markdown file.
        lessons: lessons of the report; all five if None.

    Returns:
        The findings of each lesson.

    Raises:
        TrainingError: there are no results, they do not belong together, or the report's name is no Markdown file.
    """
    if report.suffix != ".md":
        raise TrainingError(f"{report} is no Markdown file; choose a name that ends in .md.")
    results = read_results(folder)
    found = lesson_findings(results, lessons)
    figures = report.parent / f"{report.stem}-figures"
    figures.mkdir(parents=True, exist_ok=True)
    blocks: list[Block] = [*_introduction(results, found)]
    for one in found:
        blocks += _section(results, one, figures)
    blocks += _runs(results)
    write_atomically(report, to_markdown(blocks))
    write_atomically(report.with_suffix(".html"), to_html(blocks, report.parent))
    return found


def _introduction(results: Results, found: Sequence[LessonFindings]) -> list[Block]:
    is_paper = any(one.lesson.number for one in found)
    heading = "The paper's five lessons" if is_paper else MIXTURES.title
    about = (
        "A repetition of the five lessons of the CodeGen2 paper (arXiv 2305.02309)"
        if is_paper
        else "Options for training a model as it is served, compared at equal compute,"
    )
    named = "" if is_paper else " mixtures"
    notes = results.arms[0].notes
    for one in results.arms[1:]:
        for key in ("commit", "size"):
            if one.notes[key] != notes[key]:
                raise TrainingError(
                    f"results of {key} {notes[key]} and {one.notes[key]} are in one folder; a report"
                    " needs results of one."
                )
    seeds = len({one.seed for one in results.arms})
    size, recipe = notes["size"], notes["recipe"]
    context, tokens = recipe["model"]["context_length"], max(one.notes["tokens"] for one in results.arms)
    rows = {name.split("/")[0]: len(values) for name, values in results.tokens.items()}
    scored = " and ".join(f"{count} held-out rows of {domain}" for domain, count in rows.items())
    return [
        Heading(f"{heading} at {size}", 1),
        Paragraph(
            f"{about} with"
            f" {notes['parameters']:,}"
            f" parameters, context {context}, at most {tokens:,} tokens a run and {seeds}"
            f" seed{'s' * (seeds != 1)}."
            f" Code: `{notes['commit']}`. This page is generated; the raw numbers are the JSON files that"
            " it was made from."
        ),
        Command(f"cg2-train lessons{named} --size {size} --seeds {seeds} --corpus CODE --text-corpus TEXT"),
        Paragraph(
            "Arms of one seed share initial weights and the order of the data. All are scored on the"
            f" same labels of {scored}."
            " An effect is arm minus baseline, paired by row, so below zero the arm is better. Its"
            " interval is a paired"
            " bootstrap over rows, seeds averaged; neighbouring rows can come from one file, so"
            " intervals are a little too"
            " narrow. The spread (±) is the standard deviation over seeds. A direction counts as shown"
            " only if the interval"
            " excludes zero and all seeds agree. Results at this size can differ from those at the paper's sizes."
        ),
        Table(
            [
                ["lesson", "result"],
                *([one.lesson.heading, one.summary] for one in found),
            ],
            2,
        ),
    ]


def _section(results: Results, one: LessonFindings, figures: Path) -> list[Block]:
    lesson = one.lesson
    blocks: list[Block] = [
        Heading(lesson.heading),
        Paragraph(" ".join(filter(None, [_claim(lesson), lesson.note]))),
    ]
    if not one.is_measured:
        return [*blocks, Paragraph(one.summary)]
    picture = figures / f"lesson{lesson.number}.svg"
    draw_effects(one, picture)
    heads = [
        "arm minus baseline",
        "measure",
        "effect",
        "95 % interval",
        "of the baseline",
        "± seeds",
        "seeds",
    ]
    return [
        *blocks,
        _levels(results, lesson),
        Table([heads, *(_effect_row(finding) for finding in one.findings)], 2),
        Figure(f"{figures.name}/{picture.name}", f"Effects of lesson {lesson.number} with 95 % intervals"),
        Paragraph(" ".join([one.summary, *(finding.sentence for finding in one.findings)])),
    ]


def _claim(lesson: Lesson) -> str:
    return f"The paper's claim: {lesson.claim}" if lesson.number else lesson.claim


def _levels(results: Results, lesson: Lesson) -> Table:
    """Return every measure of every arm of the lesson; arms are columns, since measures are more."""
    heads = ["measure", "unit", *(title_of(arm) for arm in lesson.arms)]
    rows = [
        [label_of(measure), unit_of(measure), *(_told(level(results, arm, measure)) for arm in lesson.arms)]
        for measure in measures_of(lesson)
    ]
    return Table([heads, *(row for row in rows if set(row[2:]) != {UNKNOWN})], 2)


def _told(value: Level | None) -> str:
    if value is None:
        return UNKNOWN
    return f"{value.mean:.4f}" + (f" ± {value.deviation:.4f}" if value.deviation is not None else "")


def _effect_row(finding: Finding) -> list[str]:
    one, effect = finding.comparison, finding.effect
    names = [f"{one.arm} minus {one.baseline}", f"{label_of(one.measure)}, {finding.unit}"]
    if not effect:
        return [*names, *[UNKNOWN] * 5]
    spread = effect.seed_deviation
    return [
        *names,
        f"{effect.mean:+.4f}",
        f"{effect.low:+.4f} to {effect.high:+.4f}",
        f"{effect.mean / finding.baseline:+.2%}" if finding.baseline else UNKNOWN,
        UNKNOWN if spread is None else f"{spread:.4f}",
        str(len(effect.by_seed)),
    ]


def _runs(results: Results) -> list[Block]:
    heads = ["run", "seed", "tokens", "epochs", "steps"]
    rows = [
        [
            title_of(one.arm),
            str(one.seed),
            f"{one.notes['tokens']:,}",
            ", ".join(f"{name} {times:.2f}" for name, times in one.notes["epochs"].items()),
            f"{one.notes['recipe']['run']['steps']:,}",
        ]
        for one in results.arms
    ]
    return [Heading("Runs"), Table([heads, *rows])]
