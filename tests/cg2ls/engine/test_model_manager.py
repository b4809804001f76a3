"""What happens to an open model: a provider dies, nobody asks for a while, its files change."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from cg2ls.engine import Engine, EngineError, EngineOptions, Request, idle_timer, model_runner
from cg2ls.models.folder.description import ModelFolderError


class Mortal:
    """A session that dies in its n-th run, and stays dead."""

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
def mortal(tiny_model, monkeypatch):
    """Opens an engine on a provider that is to die after some runs, and counts openings."""
    really = model_runner.open_session
    opened: list[str] = []
    sessions: list[Mortal] = []

    def open_session(folder: Path, model: object, *, provider: str, **more: object):
        opened.append(provider)
        found = really(folder, model, provider="cpu", **more)
        if provider == "cpu":
            return found
        sessions.append(Mortal(found.session, 10**9))
        return replace(found, session=sessions[-1], provider="openvino", reason="asked for")

    monkeypatch.setattr(model_runner, "open_session", open_session)
    told: list[str] = []

    def launch(runs: int) -> Engine:
        engine = Engine.open(
            tiny_model, provider="openvino", threads=1, tell=told.append, options=EngineOptions(drafts=False)
        )
        sessions[-1].left = runs
        return engine

    return launch, told, opened


@pytest.mark.parametrize("runs", [0, 1, 2, 5])
def test_a_provider_that_dies_is_replaced_in_the_middle_of_the_answer(mortal, words, uncached, runs):
    launch, told, opened = mortal
    engine = launch(runs)
    request = Request(prompt=words(150), max_tokens=10, temperature=1.0, past_end=True, seed=4)
    steps = list(engine.complete(request))
    assert [step.token for step in steps] == [step.token for step in uncached(request)]
    assert opened == ["openvino", "cpu"]
    assert engine.provider == "cpu"
    assert "openvino failed while it ran" in engine.provider_reason
    assert len(told) == 1
    assert "goes on on the processor" in told[0]
    assert "CUDA failure 719" in told[0]


def test_it_is_replaced_once_for_all(mortal, words):
    launch, told, opened = mortal
    engine = launch(1)
    for count in (30, 40):
        assert list(engine.complete(Request(prompt=words(count), max_tokens=3, past_end=True)))
    engine.unload()
    assert list(engine.complete(Request(prompt=words(30), max_tokens=3, past_end=True)))
    assert opened == ["openvino", "cpu", "cpu"]
    assert len(told) == 1


def test_candidates_survive_it_too(mortal, words, engine):
    launch, _, _ = mortal
    request = Request(prompt=words(30), max_tokens=6, temperature=1.0)
    expected = [[step.token for step in answer] for answer in engine.candidates(request, 3)]
    dying = launch(3)
    assert [[step.token for step in answer] for answer in dying.candidates(request, 3)] == expected


def test_where_the_processor_fails_there_is_nothing_to_fall_back_to(engine, words, monkeypatch):
    calls = engine._manager.runtime.contexts.newest._calls

    def broken(*_: object) -> None:
        raise RuntimeError("out of memory")

    with monkeypatch.context() as patched:
        patched.setattr(calls, "run", broken)
        with pytest.raises(EngineError, match="could not be run: out of memory"):
            list(engine.complete(Request(prompt=words(30))))
    assert list(engine.complete(Request(prompt=words(30), max_tokens=2, past_end=True)))


def test_an_unloaded_model_comes_back_with_the_next_request(engine, words):
    request = Request(prompt=words(30), max_tokens=4, past_end=True)
    before = list(engine.complete(request))
    engine.unload()
    assert not engine.loaded
    assert engine.cached_tokens == []
    assert list(engine.complete(request)) == before
    assert engine.loaded


def test_unloading_waits_for_the_answer_that_is_running(engine, words):
    steps = engine.complete(Request(prompt=words(30), max_tokens=6, past_end=True))
    next(steps)
    thread = threading.Thread(target=engine.unload)
    thread.start()
    assert len(list(steps)) == 5
    thread.join()
    assert not engine.loaded


class Alarms:
    """Stands for `threading.Timer`: counts the seconds that a test lets pass."""

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
    monkeypatch.setattr(idle_timer, "threading", SimpleNamespace(Timer=alarms.timer))
    with Engine.open(tiny_model, threads=1, options=EngineOptions(idle_s=0.4)) as engine:
        for _ in range(8):
            list(engine.complete(Request(prompt=words(5), max_tokens=1)))
            alarms.pass_time(0.3)
            assert engine.loaded
        running = engine.complete(Request(prompt=words(5), max_tokens=3, past_end=True))
        next(running)
        alarms.pass_time(1)
        assert engine.loaded, "an answer is running"
        list(running)
        alarms.pass_time(0.5)
        assert not engine.loaded
        assert list(engine.complete(Request(prompt=words(5), max_tokens=1, past_end=True)))


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
        assert list(engine.complete(Request(prompt=words(3), max_tokens=1, past_end=True)))


MEASURED = """
import os, sys
from pathlib import Path
from types import SimpleNamespace
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


def test_unloading_gives_the_memory_back_to_the_system():
    default = Path(__file__).parents[3] / "cg2ls" / "default"
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, default], capture_output=True, text=True, check=True, env=os.environ
    )
    low, high, again = (float(number) for number in done.stdout.split())
    with Engine.open(default, threads=1) as engine:
        weights = engine.memory.weights / 1.5e6
    assert high - again > weights, "at least the weights left the process"
    assert again - low < 0.25 * (high - low), "and nothing of note stays behind the second time"
