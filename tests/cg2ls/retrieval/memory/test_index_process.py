"""A separate process updates an index: the result is the same, and a failure loses nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from cg2ls.models.codegen2.tokenizer import CodeTokenizer
from cg2ls.retrieval.memory import Memory, index_process
from cg2ls.retrieval.memory.index import EMPTY
from cg2ls.retrieval.memory.index_process import in_child
from cg2ls.retrieval.memory.installed_packages import Installed
from cg2ls.retrieval.memory.read_workspace import Listener, Progress, StoppedError
from cg2ls.retrieval.memory.store import Store
from cg2ls.retrieval.memory.update_index import Task, in_process
from cg2ls.workspace import ReadingRules, Refusal, Workspace


@pytest.fixture
def task(repository: Path, tokenizer: CodeTokenizer, tmp_path: Path) -> Task:
    store = Store.of(repository, "python", tokenizer, tmp_path / "cache")
    return Task(Workspace(repository), "python", store)


def written(store: Store) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in store.folder.iterdir()}


def test_the_child_starts_in_the_folder_that_holds_the_package():
    assert (index_process.FOLDER / "cg2ls" / "retrieval" / "memory" / "index_worker.py").is_file()


def test_the_index_is_the_one_this_process_writes(
    task: Task, repository: Path, tokenizer: CodeTokenizer
) -> None:
    (repository / "latin.py").write_bytes("s = 'é'\n".encode("latin-1"))
    refused: list[Refusal] = []
    reported: list[Progress] = []
    done = in_child(task, tokenizer, EMPTY, Listener(reported.append, refused.append))
    by_child = written(task.store)
    task.store.clear()
    again: list[Refusal] = []
    here = in_process(task, tokenizer, EMPTY, Listener(refused=again.append))
    assert by_child == written(task.store)
    assert done.index.files == here.index.files
    assert refused == again
    assert reported[-1] == Progress(3, 3)


def test_later_changes_are_reported(task: Task, repository: Path, tokenizer: CodeTokenizer) -> None:
    for number in range(20):
        (repository / f"m{number}.py").write_text("value = 1\n" * 100)
    in_child(task, tokenizer, EMPTY, Listener())
    (repository / "small.py").write_text("x = 1\n")
    (repository / "m7.py").unlink()
    done = in_child(task, tokenizer, EMPTY, Listener())
    here = in_process(task, tokenizer, EMPTY, Listener())
    assert (done.changed, done.gone) == (here.changed, here.gone) != ({}, [])
    assert done.index.files == here.index.files


def test_a_workspace_without_files_has_no_index(tmp_path: Path, tokenizer: CodeTokenizer) -> None:
    (tmp_path / "empty").mkdir()
    store = Store.of(tmp_path / "empty", "python", tokenizer, tmp_path / "cache")
    done = in_child(Task(Workspace(tmp_path / "empty"), "python", store), tokenizer, EMPTY, Listener())
    assert not done.index.files
    assert not done.problem


def test_task_survives_json(repository: Path, tokenizer: CodeTokenizer, tmp_path: Path) -> None:
    rules = ReadingRules(
        exclude=("*.gen.py",), folders=(("a", ("*",)), ("b", ())), gitignore=False, max_files=7
    )
    store = Store.of(repository, "python", tokenizer, tmp_path / "cache")
    task = Task(Workspace(repository, rules), "python", store, frozenset({"numpy", "attrs"}))
    again = Task.from_json(json.loads(json.dumps(task.to_json())))
    assert again.to_json() == task.to_json()
    assert (again.workspace.root, again.workspace.rules) == (repository, rules)
    assert (again.store.folder, again.direct) == (store.folder, task.direct)


def test_memory_of_a_workspace_and_its_packages_is_built_in_another_process(
    task: Task, repository: Path, tokenizer: CodeTokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_process, "in_process", None)  # so that falling back would be an error
    packages = tmp_path / "site-packages"
    packages.mkdir()
    (packages / "wares.py").write_text("def wares_of(ledger):\n    return ledger.wares\n")
    installed = Installed(Workspace(packages, ReadingRules(gitignore=False)), frozenset())
    memory = Memory(
        task.workspace, "python", tokenizer, store=task.store, installed=installed, update=in_child
    )
    memory.refresh()
    here = Memory(task.workspace, "python", tokenizer, store=task.store, installed=installed)
    here.refresh()
    assert memory.indexed_tokens == here.indexed_tokens > 0
    assert memory.installed_tokens == here.installed_tokens > 0


def test_modules_of_the_workspace_are_never_run(
    task: Task, repository: Path, tokenizer: CodeTokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("json", "numpy", "tokenizers", "cg2ls"):
        (repository / f"{name}.py").write_text("open('was run', 'w')\n")
    monkeypatch.chdir(repository)
    monkeypatch.setattr(index_process, "in_process", None)
    assert in_child(task, tokenizer, EMPTY, Listener()).index.tokens
    assert not (repository / "was run").exists()


BROKEN = {
    "a bad line": "print('hello')",
    "JSON of something else": "print('[1]')",
    "an answer cut short": "print('{\"changed\": {}}')",
    "no answer": "",
    "killed": "import os; os.kill(os.getpid(), 9)",
    "it says why": 'print(\'{"failed": "no space"}\')',
    "an index that is not there": 'print(\'{"changed": {}, "gone": [], "on_disk": true}\')',
}


@pytest.mark.parametrize("script", BROKEN.values(), ids=BROKEN)
def test_this_process_does_the_work_when_the_index_process_fails(
    task: Task,
    tokenizer: CodeTokenizer,
    script: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(index_process, "COMMAND", (sys.executable, "-c", script))
    assert in_child(task, tokenizer, EMPTY, Listener()).index.tokens > 0
    said = [record.getMessage() for record in caplog.records if record.name == index_process.__name__]
    assert len(said) == 1
    assert "is read by the server itself" in said[0]


def test_this_process_does_the_work_when_no_other_can_be_started(
    task: Task, tokenizer: CodeTokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_process, "COMMAND", (str(task.workspace.root / "no-python"),))
    assert in_child(task, tokenizer, EMPTY, Listener()).index.tokens > 0


def test_where_the_process_cannot_write_memory_lasts_for_the_session(
    repository: Path, tokenizer: CodeTokenizer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "taken").write_text("a file where the folder should be")
    store = Store.of(repository, "python", tokenizer, tmp_path / "taken")
    done = in_child(Task(Workspace(repository), "python", store), tokenizer, EMPTY, Listener())
    assert done.index.tokens > 0
    assert "memory lasts for this session only" in caplog.text


def test_index_process_ends_on_request(
    task: Task, tokenizer: CodeTokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_process, "COMMAND", (sys.executable, "-c", "import time; time.sleep(3600)"))
    popen = subprocess.Popen
    started: list[subprocess.Popen[bytes]] = []
    answers = iter([False, False, True])

    def start(*arguments: Any, **options: Any) -> subprocess.Popen[bytes]:
        started.append(popen(*arguments, **options))
        return started[-1]

    monkeypatch.setattr(index_process.subprocess, "Popen", start)
    with pytest.raises(StoppedError):
        in_child(task, tokenizer, EMPTY, Listener(stop=lambda: next(answers)))
    (child,) = started
    assert child.returncode == (1 if sys.platform == "win32" else -signal.SIGKILL), (
        "it was ended at the third check, without waiting for it"
    )


@pytest.mark.parametrize("how", ["it leaves", "it is killed"])
def test_index_process_ends_with_its_parent(how: str) -> None:
    """However the parent ends, the pipe is closed, which ends the child."""
    script = "import subprocess, sys; from cg2ls.retrieval.memory.index_process import COMMAND\n"
    script += "child = subprocess.Popen(COMMAND, stdin=subprocess.PIPE); print(flush=True); sys.stdin.read()"
    parent = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert parent.stdin
    assert parent.stdout
    assert parent.stdout.readline() == b"\n"
    if how == "it leaves":
        parent.stdin.close()
    else:
        parent.kill()
    assert parent.stdout.read() == b"", "both hold this pipe, so both have ended"
    parent.wait()


@pytest.mark.skipif(sys.platform == "win32", reason="priorities are read as POSIX has them")
def test_index_process_has_low_priority() -> None:
    child = subprocess.Popen(index_process.COMMAND, stdin=subprocess.PIPE)
    assert child.stdin
    deadline = time.monotonic() + 300
    while os.getpriority(os.PRIO_PROCESS, child.pid) < 19 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert os.getpriority(os.PRIO_PROCESS, child.pid) == 19
    child.stdin.close()
    child.wait()
