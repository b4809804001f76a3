"""Lifetime of an open model: a provider fails, no request comes for a while, the files change."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from cg2ls.engine import Engine, EngineError, EngineOptions, Request, model_manager, model_runner
from cg2ls.models.folder.description import ModelFolderError


class FailingSession:
    """Session that fails from its n-th run on."""

    def __init__(self, session: object, runs: int) -> None:
        self._session = session
        self.left = runs

    def __getattr__(self, name: str) -> object:
        return getattr(self._session, name)

    def run_with_iobinding(self, *arguments: object) -> None:
        self.left -= 1
        if self.left < 0:
            raise RuntimeError(
                "[ONNXRuntimeError] : 1 : FAIL : CUDA failure 719: unspecified launch failure\n"
            )
        self._session.run_with_iobinding(*arguments)  # type: ignore[attr-defined]


@pytest.fixture
def failing(tiny_model, monkeypatch):
    """Open engines on a provider that fails after some runs, and record the opened providers."""
    really = model_runner.open_session
    opened: list[str] = []
    sessions: list[FailingSession] = []

    def open_session(folder: Path, model: object, *, provider: str, **more: object):
        opened.append(provider)
        found = really(folder, model, provider="cpu", **more)
        if provider == "cpu":
            return found
        sessions.append(FailingSession(found.session, 10**9))
        return replace(found, session=sessions[-1], provider="openvino", reason="requested")

    monkeypatch.setattr(model_runner, "open_session", open_session)
    events: list[str] = []

    def launch(runs: int) -> Engine:
        engine = Engine.open(
            tiny_model,
            provider="openvino",
            threads=1,
            on_event=events.append,
            options=EngineOptions(drafts=False),
        )
        sessions[-1].left = runs
        return engine

    return launch, events, opened


@pytest.mark.parametrize("runs", [0, 1, 2, 5])
def test_a_failed_provider_is_replaced_during_the_answer(failing, words, uncached, runs):
    launch, events, opened = failing
    engine = launch(runs)
    request = Request(prompt=words(150), max_tokens=10, temperature=1.0, ignore_stop_tokens=True, seed=4)
    steps = list(engine.complete(request))
    assert [step.token for step in steps] == [step.token for step in uncached(request)]
    assert opened == ["openvino", "cpu"]
    assert engine.provider == "cpu"
    assert "openvino failed while it ran" in engine.provider_reason
    assert len(events) == 1
    assert "continues on the CPU" in events[0]
    assert "CUDA failure 719" in events[0]


def test_a_failed_provider_stays_replaced(failing, words):
    launch, events, opened = failing
    engine = launch(1)
    for count in (30, 40):
        assert list(engine.complete(Request(prompt=words(count), max_tokens=3, ignore_stop_tokens=True)))
    engine.unload()
    assert list(engine.complete(Request(prompt=words(30), max_tokens=3, ignore_stop_tokens=True)))
    assert opened == ["openvino", "cpu", "cpu"]
    assert len(events) == 1


def test_candidates_are_complete_after_a_provider_failed(failing, words, engine):
    launch, _, _ = failing
    request = Request(prompt=words(30), max_tokens=6, temperature=1.0)
    expected = [[step.token for step in answer] for answer in engine.candidates(request, 3)]
    engine_to_fail = launch(3)
    assert [[step.token for step in answer] for answer in engine_to_fail.candidates(request, 3)] == expected


def test_a_failure_on_the_cpu_is_an_error(engine, words, monkeypatch):
    calls = engine._manager.runner.contexts.newest._binding

    def broken(*_: object) -> None:
        raise RuntimeError("out of memory")

    with monkeypatch.context() as patched:
        patched.setattr(calls, "run", broken)
        with pytest.raises(EngineError, match="could not be run: out of memory"):
            list(engine.complete(Request(prompt=words(30))))
    assert list(engine.complete(Request(prompt=words(30), max_tokens=2, ignore_stop_tokens=True)))


def test_an_unloaded_model_is_loaded_by_the_next_request(engine, words):
    request = Request(prompt=words(30), max_tokens=4, ignore_stop_tokens=True)
    before = list(engine.complete(request))
    engine.unload()
    assert not engine.loaded
    assert engine.cached_tokens == []
    assert list(engine.complete(request)) == before
    assert engine.loaded


def test_unloading_waits_for_the_answer_that_is_running(engine, words):
    steps = engine.complete(Request(prompt=words(30), max_tokens=6, ignore_stop_tokens=True))
    next(steps)
    thread = threading.Thread(target=engine.unload)
    thread.start()
    assert len(list(steps)) == 5
    thread.join()
    assert not engine.loaded


class Alarms:
    """Replaces `threading.Timer`: counts simulated seconds."""

    def __init__(self) -> None:
        self.now = 0.0
        self._due: dict[Alarms.Timer, float] = {}

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        for timer in [timer for timer, due in self._due.items() if due <= self.now]:
            timer.cancel()
            timer.act()

    def timer(self, seconds: float, act: Callable[[], None]) -> Alarms.Timer:
        return Alarms.Timer(self, seconds, act)

    class Timer:
        def __init__(self, alarms: Alarms, seconds: float, act: Callable[[], None]) -> None:
            self._alarms, self._seconds, self.act = alarms, seconds, act

        def start(self) -> None:
            self._alarms._due[self] = self._alarms.now + self._seconds

        def cancel(self) -> None:
            self._alarms._due.pop(self, None)


def test_an_idle_model_is_unloaded_and_a_used_one_is_not(tiny_model, words, monkeypatch):
    alarms = Alarms()
    monkeypatch.setattr(model_manager.threading, "Timer", alarms.timer)
    with Engine.open(tiny_model, threads=1, options=EngineOptions(idle_s=0.4)) as engine:
        for _ in range(8):
            list(engine.complete(Request(prompt=words(5), max_tokens=1)))
            alarms.pass_time(0.3)
            assert engine.loaded
        running = engine.complete(Request(prompt=words(5), max_tokens=3, ignore_stop_tokens=True))
        next(running)
        alarms.pass_time(1)
        assert engine.loaded, "an answer is running"
        list(running)
        alarms.pass_time(0.5)
        assert not engine.loaded
        assert list(engine.complete(Request(prompt=words(5), max_tokens=1, ignore_stop_tokens=True)))


def test_a_closed_engine_stays_closed(engine, words):
    engine.close()
    engine.unload()
    with pytest.raises(EngineError, match="was closed"):
        list(engine.complete(Request(prompt=words(3))))


def test_files_that_changed_while_a_model_was_unloaded_are_noticed(tiny_model, tmp_path, words):
    folder = Path(shutil.copytree(tiny_model, tmp_path / "changed"))
    with Engine.open(folder, threads=1) as engine:
        engine.unload()
        weights = (folder / "model.onnx.data").read_bytes()
        (folder / "model.onnx.data").write_bytes(weights[:-1] + bytes([weights[-1] ^ 1]))
        with pytest.raises(ModelFolderError, match="SHA-256 differs"):
            list(engine.complete(Request(prompt=words(3))))
        (folder / "model.onnx.data").write_bytes(weights)
        assert list(engine.complete(Request(prompt=words(3), max_tokens=1, ignore_stop_tokens=True)))


MEASURED = """
import os, sys
from pathlib import Path
from cg2ls.machine import read_resident_mb
from cg2ls.engine import Engine, EngineOptions, Request

engine = Engine.open(Path(sys.argv[1]), threads=1, options=EngineOptions(contexts=2))
def used():
    for first in (1, 2):
        list(engine.complete(Request(prompt=[first] * (engine.context_length - 2), max_tokens=1)))
    return read_resident_mb(os.getpid())
used()
engine.unload()
low = read_resident_mb(os.getpid())
high = used()
engine.unload()
print(low, high, read_resident_mb(os.getpid()))
"""


def test_unloading_returns_the_memory_to_the_system():
    default = Path(__file__).parents[3] / "cg2ls" / "default"
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, default], capture_output=True, text=True, check=True, env=os.environ
    )
    low, high, again = (float(number) for number in done.stdout.split())
    with Engine.open(default, threads=1) as engine:
        weights = engine.memory.weights / 1.5e6
    assert high - again > weights, "at least the weights are freed"
    assert again - low < 0.25 * (high - low), "and the second time almost nothing stays allocated"
