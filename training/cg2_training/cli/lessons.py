"""The command `cg2-train lessons`."""

from __future__ import annotations

import argparse
import math
import sys
import time
from pathlib import Path

from cg2_training.cli.arguments import amount, count

EXAMPLE = """\
example, three seeds of lessons 2 and 3 in calls of two hours; the same command continues:
  cg2-train tokenize runs/corpus --tokenizer runs/tokenizer.json -o runs/shards
  cg2-train lessons 2 3 --size 2m --seeds 3 --hours 2 --corpus runs/shards --work runs/lessons-2m
the report again, from stored results:
  cg2-train lessons --report-only --work runs/lessons-2m --report lessons.md
"""

CORPUS = "token shards of {}: a folder with train and heldout, as tokenize writes it for a corpus folder"


def add_lessons(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.description = (
        "Repeats the five lessons of the CodeGen2 paper at a small size: trains each lesson's arms with"
        " equal compute,"
        " scores all on the same labels, and writes a report. Lessons: 1 prefix-LM, 2 infilling is not"
        " free, 3 the simple"
        " mixture against UL2, 4 code and text, 5 many epochs."
    )
    parser.epilog = EXAMPLE
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "lessons",
        type=_number,
        nargs="*",
        metavar="N",
        help="1 to 5 (default: all five), or mixtures: training rows for an editor",
    )
    parser.add_argument(
        "--arm", action="append", default=[], dest="arms", metavar="NAME", help="run only these arms"
    )
    parser.add_argument("--size", default="2m", help="2m, 9m, 27m or 125m (default: %(default)s)")
    parser.add_argument("--seeds", type=count, default=3, help="runs of each arm (default: %(default)s)")
    parser.add_argument(
        "--hours", type=amount, metavar="H", help="stop after this time; the same command continues"
    )
    parser.add_argument("--corpus", type=Path, metavar="FOLDER", help=CORPUS.format("code"))
    parser.add_argument(
        "--text-corpus", type=Path, metavar="FOLDER", help=CORPUS.format("text, for lesson 4")
    )
    parser.add_argument(
        "--work", type=Path, metavar="FOLDER", help="states and results (default: runs/lessons-SIZE)"
    )
    parser.add_argument(
        "--rows", type=count, default=256, help="held-out rows of each source to score (default: %(default)s)"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        dest="overrides",
        metavar="SECTION.KEY=VALUE",
        help="override of every arm's recipe",
    )
    parser.add_argument(
        "--report", type=Path, metavar="FILE.md", help="file of the report (default: WORK/lessons.md)"
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--report-only",
        action="store_true",
        help="write the report from stored results without training",
    )
    what.add_argument(
        "--print-jobs",
        nargs="?",
        const="torchrun",
        choices=("torchrun", "slurm"),
        help="print a command for each arm instead of training; run them, then this command again to score",
    )
    parser.add_argument(
        "--processes",
        type=count,
        default=1,
        help="with --print-jobs: GPUs of each job (default: %(default)s)",
    )
    parser.set_defaults(run_command=_run)


def _run(arguments: argparse.Namespace) -> int:
    work = arguments.work or Path("runs") / f"lessons-{arguments.size}"
    report = arguments.report or work / "lessons.md"
    if arguments.report_only:
        return _report(work, report, arguments.lessons)
    began = time.monotonic()
    from cg2_training.errors import TrainingError
    from cg2_training.lessons.arms import lessons_of, size_recipe
    from cg2_training.lessons.corpora import Corpora
    from cg2_training.lessons.plan import Plan, check_heldout, possible_lessons

    lessons = lessons_of(arguments.lessons)
    if not arguments.corpus:
        raise TrainingError("the lessons need a code corpus; name its token shards with --corpus FOLDER.")
    corpora = Corpora.open(arguments.corpus, arguments.text_corpus)
    full = size_recipe(arguments.size, corpora.tokenizer, arguments.overrides)
    check_heldout(corpora, full["model"]["context_length"])
    possible, left_out = possible_lessons(lessons, corpora, full)
    for sentence in left_out:
        _say(sentence)
    only = tuple(arguments.arms)
    plan = Plan(arguments.size, full, corpora, possible, arguments.seeds, arguments.rows, work, only)
    for arm, seed in plan.runs:
        plan.recipe(arm, seed)  # an invalid setting of an arm is reported before the first arm is trained
    if arguments.print_jobs:
        from cg2_training.lessons.queue import job_commands

        print(*job_commands(plan, arguments.print_jobs, arguments.processes), sep="\n")
        return 0
    from cg2_training.lessons.queue import run_queue

    deadline = began + 3600 * arguments.hours if arguments.hours else math.inf
    left = run_queue(plan, deadline=deadline, on_event=_say)
    if left:
        _say(f"{left} of {len(plan.runs)} runs remain; run the same command to continue.")
    if left < len(plan.runs) or any(plan.results.glob("*-*.json")):
        return _report(work, report, [0] if 0 in arguments.lessons else [])
    return 0


def _number(word: str) -> int:
    """Parse a lesson's number; `mixtures` is 0."""
    return 0 if word == "mixtures" else count(word)


def _report(work: Path, report: Path, numbers: list[int]) -> int:
    """Write and print the report on some lessons, or on all; a work folder can contain more than was requested."""
    from cg2_training.lessons.arms import lessons_of
    from cg2_training.lessons.report import write_report

    for one in write_report(work / "results", report, lessons_of(numbers)):
        print(f"{one.lesson.heading}: {one.summary}")
    print(f"{report} and {report.with_suffix('.html')}")
    return 0


def _say(line: str) -> None:
    print(f"cg2-train: {line}", file=sys.stderr, flush=True)
