"""A run sends requests as the server does, and scores the shown text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import cg2ls
from cg2ls.completion import DocumentSession
from cg2ls.engine import Engine
from cg2ls.errors import EvaluationError
from cg2ls.evaluation.benchmarks.ask import Asker, BenchmarkAnswer, Sampling, keep_body, write_workspace
from cg2ls.evaluation.benchmarks.journal import Journal
from cg2ls.evaluation.benchmarks.run import RunOptions, RunProgress, format_duration, judge_answer, run_tasks
from cg2ls.evaluation.benchmarks.task import BenchmarkTask, Check


@pytest.fixture(scope="module")
def real_engine() -> Iterator[Engine]:
    """The shipped model, since a random one shows nothing."""
    with Engine.open(Path(cg2ls.__file__).parent / "default", threads=1) as engine:
        yield engine


TASKS = [
    BenchmarkTask(
        name=f"t{n}", group="g", prefix=f"def f{n}():\n", suffix="\n    return 1\n", reference="    x = 1"
    )
    for n in range(3)
]


def test_the_answer_is_that_of_a_session(real_engine: Engine) -> None:
    task = TASKS[0]
    with Asker(real_engine, memory="off") as asker:
        answer = asker.ask(task, "invoked")
    shown = DocumentSession(real_engine, "python").complete(task.document, len(task.prefix), "invoked")
    assert answer.text == shown.text
    assert answer.reason == shown.reason


def test_a_stopped_run_is_resumed(tiny_engine: Engine, tmp_path: Path) -> None:
    options, path = RunOptions(triggers=("invoked",)), tmp_path / "j"
    whole = run_tasks(tiny_engine, TASKS, options, Journal(None, {}))
    run_tasks(tiny_engine, TASKS[:2], options, Journal(path, {}))
    steps: list[str] = []
    rows = run_tasks(tiny_engine, TASKS, options, Journal(path, {}), steps.append)
    assert [row.text for row in rows] == [row.text for row in whole]
    assert steps == ["1 of 1 answers, 0 s left"]


def test_samples_differ_by_seed_and_repeat(real_engine: Engine) -> None:
    options = RunOptions(triggers=("invoked",), samples=3, sampling=Sampling(1.0, 0.95), memory="off")
    lines = [
        BenchmarkTask(
            name=f"s{n}",
            group="s",
            prefix=f"def area{n}(width, height):\n    return ",
            suffix="\n",
            reference="",
        )
        for n in range(2)
    ]
    first, again = (
        [row.text for row in run_tasks(real_engine, lines, options, Journal(None, {}))] for _ in range(2)
    )
    assert first == again
    assert len(set(first)) > 1


def test_equal_samples_are_refused(tiny_engine: Engine) -> None:
    with pytest.raises(EvaluationError, match="temperature"):
        run_tasks(tiny_engine, TASKS, RunOptions(samples=2), Journal(None, {}))


def test_the_files_of_a_task_are_its_memory(real_engine: Engine) -> None:
    line = "    value = measure_everything(one, other)\n"
    task = BenchmarkTask(
        name="m",
        group="m",
        prefix="def use(one, other):\n    value = measure",
        suffix="\n",
        reference="_everything(one, other)",
        files={"a.py": f"def a(one, other):\n{line}", "b.py": f"def b(one, other):\n{line}"},
    )
    with Asker(real_engine) as with_files, Asker(real_engine, memory="off") as without:
        assert with_files.ask(task, "invoked").text.startswith("_everything(one")
        assert not without.ask(task, "invoked").text.startswith("_everything(one")


def test_a_workspace_stays_in_its_folder(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    written = write_workspace(root, {"a/b.py": "x", "../out.py": "x", "/abs.py": "x", "": "x"})
    assert written == [root / "a" / "b.py"]
    assert list(tmp_path.iterdir()) == [root]


def test_a_body_ends_where_something_else_begins() -> None:
    assert keep_body("    a = 1\n\n    return a\n\ndef other():\n    pass") == "    a = 1\n\n    return a\n"
    assert keep_body("print()") == ""


def test_a_body_is_completed_repeatedly_until_nothing_belongs_to_it(tiny_engine: Engine) -> None:
    task = BenchmarkTask(
        name="b", group="b", prefix="def f():\n", suffix="", reference="    pass\n", wanted="body"
    )
    with Asker(tiny_engine, memory="off") as asker:
        text = asker.ask(task, "invoked").text
    assert all(not line.strip() or line[0].isspace() for line in text.split("\n"))


class Executed:
    """A sandbox that records its programs and passes all of them."""

    def __init__(self) -> None:
        self.programs: list[str] = []

    def passes(self, program: str) -> bool:
        self.programs.append(program)
        return True


def test_an_empty_completion_never_passes() -> None:
    task = BenchmarkTask(
        name="t", group="g", prefix="a\n", suffix="\nb", reference="c", check=Check("T", "f")
    )
    sandbox = Executed()
    row = judge_answer(task, "invoked", 0, BenchmarkAnswer("", 0, 0.0, "empty", 1.0), sandbox)
    assert (row.passed, row.shown, row.similarity) == (False, False, 0.0)
    row = judge_answer(task, "invoked", 0, BenchmarkAnswer("c", 0, 0.5, "shown", 1.0), sandbox)
    assert (row.passed, row.exact, row.similarity) == (True, True, 1.0)
    assert sandbox.programs == ["a\nc\nb\n\nT\n\ncheck(f)\n"]
    assert judge_answer(task, "invoked", 0, BenchmarkAnswer("c", 0, 0.5, "shown", 1.0), None).passed is None


def test_progress_states_the_remaining_work() -> None:
    clock, said = [0.0], []
    progress = RunProgress(4, said.append, lambda: clock[0])
    for now in (30.0, 60.0, 65.0, 120.0):
        clock[0] = now
        progress.advance()
    assert said == [
        "1 of 4 answers, 1 min 30 s left",
        "2 of 4 answers, 1 min 0 s left",
        "4 of 4 answers, 0 s left",
    ]
    assert format_duration(7260) == "2 h 1 min"
