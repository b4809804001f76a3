"""Benchmark files that the user provides."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cg2ls.errors import EvaluationError
from cg2ls.evaluation.benchmarks.suites import (
    SUITES,
    read_cross_code_eval,
    read_infilling,
    read_repobench,
    read_safim,
    select_evenly,
)
from cg2ls.evaluation.benchmarks.task import BenchmarkTask

INFILLING = {
    "task_id": "RandomSpanInfilling/HumanEval/0/1",
    "entry_point": "f",
    "prompt": "def f():\n    ret",
    "suffix": " 1\n",
    "canonical_solution": "urn",
    "test": "def check(f):\n    assert f() == 1\n",
}
SAFIM = {
    "task_id": "block_1",
    "lang": "java",
    "eval_prompt": "int f() { {{completion}} }",
    "ground_truth": "return 1;",
}
REPOBENCH = {
    "repo_name": "someone/thing",
    "file_path": "thing/use.py",
    "import_statement": "from thing.shop import Shop",
    "cropped_code": "\nshop = Shop()",
    "next_line": "shop.sell()",
    "context": [{"identifier": "Shop", "path": "thing/shop.py", "snippet": "class Shop: ..."}],
}
CROSS_CODE_EVAL = {
    "prompt": "x = ",
    "groundtruth": "1",
    "right_context": "\ny = 2\n",
    "metadata": {"task_id": "project_cc_python/1", "repository": "someone-thing", "file": "a.py"},
    "crossfile_context": {"list": [{"retrieved_chunk": "z = 3", "filename": "b.py", "score": 1}]},
}


@pytest.mark.parametrize(
    ("read", "row", "expected"),
    [
        (
            read_infilling,
            INFILLING,
            {"group": "HumanEval/0", "prefix": "def f():\n    ret", "reference": "urn", "suffix": " 1\n"},
        ),
        (read_safim, SAFIM, {"language": "java", "prefix": "int f() { ", "suffix": " }", "wanted": "line"}),
        (
            read_repobench,
            REPOBENCH,
            {
                "prefix": "from thing.shop import Shop\n\nshop = Shop()\n",
                "reference": "shop.sell()",
                "files": {"thing/shop.py": "class Shop: ...\n"},
                "language": "python",
            },
        ),
        (
            read_cross_code_eval,
            CROSS_CODE_EVAL,
            {"prefix": "x = ", "suffix": "\ny = 2\n", "files": {"b.py": "z = 3\n"}, "group": "someone-thing"},
        ),
    ],
)
def test_rows_become_tasks(
    read: Callable[[Path], list[BenchmarkTask]], row: dict[str, Any], expected: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(row) + "\n\n")
    (task,) = read(path)
    assert {name: getattr(task, name) for name in expected} == expected
    for missing in row.keys() - {"context", "crossfile_context", "task_id"}:
        path.write_text(json.dumps({name: value for name, value in row.items() if name != missing}))
        with pytest.raises(EvaluationError, match=r"line 1 has no '\w+', so it is not"):
            read(path)


@pytest.mark.parametrize("content", ["[]\n", "not json\n", '{"eval_prompt": "no hole"}\n', "", '{"lang": 1}'])
def test_another_file_is_refused_in_one_sentence(content: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(content)
    with pytest.raises(EvaluationError, match=r"name another file|choose another|has no tasks"):
        read_safim(path)


def test_suites_that_need_a_file_request_it() -> None:
    for suite in SUITES.values():
        if suite.needs_file:
            with pytest.raises(EvaluationError, match="--data"):
                suite.read(None)


def test_a_limit_spreads_over_the_suite() -> None:
    tasks = [BenchmarkTask(name=str(n), group="", prefix="", suffix="", reference="") for n in range(100)]
    assert [task.name for task in select_evenly(tasks, 4)] == ["0", "25", "50", "75"]
    assert select_evenly(tasks, None) == tasks == select_evenly(tasks, 1000)
