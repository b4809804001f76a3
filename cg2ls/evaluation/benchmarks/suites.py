"""The suites by name, readers of the user's files for them, and the even selection of some of their tasks.

The files are JSON lines of HumanEval-Infilling, SAFIM, RepoBench-C and CrossCodeEval.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cg2ls.errors import EvaluationError
from cg2ls.evaluation.benchmarks.human_eval import (
    make_body_tasks,
    make_multi_line_tasks,
    make_random_span_tasks,
    make_single_line_tasks,
    read_problems,
    read_raw,
)
from cg2ls.evaluation.benchmarks.task import BenchmarkTask, Check

Row = dict[str, Any]

HOLE = "{{completion}}"
"""Text that marks the hole in SAFIM's `eval_prompt`."""

SAFIM_LANGUAGES = {"python": "python", "java": "java", "cpp": "cpp", "csharp": "csharp"}


def read_infilling(path: Path) -> list[BenchmarkTask]:
    """Read a published HumanEval-Infilling file, such as that of random spans.

    Raises:
        EvaluationError: the file cannot be read, or a row lacks a field.
    """
    return _read(path, "HumanEval-Infilling", _infilling_task)


def read_safim(path: Path) -> list[BenchmarkTask]:
    """Read a SAFIM file (Gong et al. 2024); its unit tests need a service, so answers are only compared.

    Raises:
        EvaluationError: as for `read_infilling`.
    """
    return _read(path, "SAFIM", _safim_task)


def read_repobench(path: Path) -> list[BenchmarkTask]:
    """Read a RepoBench-C file (Liu et al. 2024, version 1.1); the snippets of other files become a workspace.

    Raises:
        EvaluationError: as for `read_infilling`.
    """
    return _read(path, "RepoBench-C", _repobench_task)


def read_cross_code_eval(path: Path) -> list[BenchmarkTask]:
    """Read a CrossCodeEval file (Ding et al. 2023); chunks of other files, if it has any, become a workspace.

    Raises:
        EvaluationError: as for `read_infilling`.
    """
    return _read(path, "CrossCodeEval", _cross_code_eval_task)


def _read(path: Path, name: str, make: Callable[[Row, int], BenchmarkTask]) -> list[BenchmarkTask]:
    tasks: list[BenchmarkTask] = []
    for number, line in enumerate(read_raw(path).decode("utf-8", errors="replace").splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            tasks.append(make(row, number))
        except KeyError as error:
            raise EvaluationError(
                f"{path} line {number} has no {error}, so it is not {name}; choose another --suite or --data."
            ) from None
        except (ValueError, TypeError, AttributeError) as error:
            raise EvaluationError(
                f"{path} line {number} is not {name} as JSON lines ({error}); name another file with --data."
            ) from None
    if not tasks:
        raise EvaluationError(f"{path} has no tasks; name another file with --data.")
    return tasks


def _infilling_task(row: Row, _: int) -> BenchmarkTask:
    problem = "/".join(str(row["task_id"]).split("/")[1:3]) or str(row["task_id"])
    return BenchmarkTask(
        name=f"{row['task_id']}",
        group=problem,
        prefix=_text(row["prompt"]),
        suffix=_text(row["suffix"]),
        reference=_text(row["canonical_solution"]),
        wanted="span",
        check=Check(_text(row["test"]), _text(row["entry_point"])),
    )


def _safim_task(row: Row, number: int) -> BenchmarkTask:
    prefix, hole, suffix = _text(row["eval_prompt"]).partition(HOLE)
    if not hole:
        raise ValueError(f"its eval_prompt has no {HOLE}")
    reference = _text(row["ground_truth"])
    name = str(row.get("task_id", number))
    return BenchmarkTask(
        name=name,
        group=name,
        prefix=prefix,
        suffix=suffix,
        reference=reference,
        wanted="span" if "\n" in reference.strip("\n") else "line",
        language=SAFIM_LANGUAGES.get(str(row["lang"]), str(row["lang"])),
    )


def _repobench_task(row: Row, number: int) -> BenchmarkTask:
    path = _text(row["file_path"])
    files: dict[str, list[str]] = defaultdict(list)
    for each in row.get("context", ()):
        files[_text(each["path"])].append(_text(each["snippet"]))
    imports = _text(row["import_statement"])
    return BenchmarkTask(
        name=f"{row['repo_name']}/{path}/{number}",
        group=_text(row["repo_name"]),
        prefix=(f"{imports}\n" if imports else "") + _text(row["cropped_code"]).rstrip("\n") + "\n",
        suffix="",
        reference=_text(row["next_line"]).rstrip("\n"),
        language=_find_language(path),
        files=_join(files),
    )


def _cross_code_eval_task(row: Row, _: int) -> BenchmarkTask:
    about, others = row["metadata"], row.get("crossfile_context") or {}
    files: dict[str, list[str]] = defaultdict(list)
    for each in others.get("list", ()):
        files[_text(each["filename"])].append(_text(each["retrieved_chunk"]))
    return BenchmarkTask(
        name=_text(about["task_id"]),
        group=_text(about["repository"]),
        prefix=_text(row["prompt"]),
        suffix=_text(row["right_context"]),
        reference=_text(row["groundtruth"]),
        wanted="span",
        language=_find_language(_text(about["file"])),
        files=_join(files),
    )


def _join(files: dict[str, list[str]]) -> dict[str, str]:
    return {path: "\n\n".join(parts) + "\n" for path, parts in files.items()}


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.40} is not text")
    return value.replace("\r\n", "\n").replace("\r", "\n")


def _find_language(name: str) -> str:
    """Return the LSP id of a file's language; "" if its name shows none."""
    from cg2ls.workspace.languages import language_of_name  # needs pathspec, which trainers may lack

    return language_of_name(name)


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
