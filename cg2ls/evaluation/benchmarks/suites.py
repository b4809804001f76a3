"""The suites by name, and the even selection of some of their tasks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cg2ls.evaluation.benchmarks.human_eval import (
    make_body_tasks,
    make_multi_line_tasks,
    make_random_span_tasks,
    make_single_line_tasks,
    read_problems,
)
from cg2ls.evaluation.benchmarks.readers import (
    read_cross_code_eval,
    read_infilling,
    read_repobench,
    read_safim,
)
from cg2ls.evaluation.benchmarks.task import BenchmarkTask
from cg2ls.evaluation.errors import EvaluationError


@dataclass(frozen=True)
class Suite:
    """One suite.

    Attributes:
        title: name for people.
        read: reads its tasks; takes the user's file, None if there is none.
        needs_file: whether the user must name a file.
    """

    title: str
    read: Callable[[Path | None], list[BenchmarkTask]]
    needs_file: bool = False


def _from_file(read: Callable[[Path], list[BenchmarkTask]]) -> Callable[[Path | None], list[BenchmarkTask]]:
    def read_given(path: Path | None) -> list[BenchmarkTask]:
        if path is None:
            raise EvaluationError("This suite is not part of any package; name its file with --data.")
        return read(path)

    return read_given


SUITES: dict[str, Suite] = {
    "humaneval": Suite("HumanEval", lambda path: make_body_tasks(read_problems(path))),
    "humaneval-infilling-single": Suite(
        "HumanEval-Infilling, single line", lambda path: make_single_line_tasks(read_problems(path))
    ),
    "humaneval-infilling-multi": Suite(
        "HumanEval-Infilling, multi-line", lambda path: make_multi_line_tasks(read_problems(path))
    ),
    "humaneval-infilling-own-spans": Suite(
        "random spans of HumanEval, our own sample", lambda path: make_random_span_tasks(read_problems(path))
    ),
    "humaneval-infilling-file": Suite(
        "HumanEval-Infilling, a published file", _from_file(read_infilling), needs_file=True
    ),
    "safim": Suite("SAFIM", _from_file(read_safim), needs_file=True),
    "repobench-c": Suite("RepoBench-C", _from_file(read_repobench), needs_file=True),
    "crosscodeeval": Suite("CrossCodeEval", _from_file(read_cross_code_eval), needs_file=True),
}


def select_evenly(tasks: Sequence[BenchmarkTask], limit: int | None) -> list[BenchmarkTask]:
    """Return at most `limit` tasks, spread evenly over all of them and in their order."""
    if limit is None or limit >= len(tasks):
        return list(tasks)
    return [tasks[number * len(tasks) // limit] for number in range(limit)]
