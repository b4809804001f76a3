"""Facts about the machine: its processor, and whether another process runs, with real processes that end."""

from __future__ import annotations

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from cg2ls import machine
from cg2ls.machine import is_running_check


@pytest.fixture
def process():
    started = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield started
    started.kill()
    started.communicate()


def test_a_process_runs_until_it_ends(process):
    is_running = is_running_check(process.pid)
    assert is_running()
    process.kill()
    process.wait()
    assert not is_running()
    assert not is_running_check(process.pid)()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not report zombies")
def test_zombie_process_counts_as_ended(process):
    is_running = is_running_check(process.pid)
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert not is_running()


def test_another_process_with_the_same_id_is_another(monkeypatch):
    begun = iter([("S", "100"), ("R", "100"), ("S", "200")])
    monkeypatch.setattr(machine, "_state_and_start", lambda _: next(begun))
    is_running = is_running_check(os.getpid())
    assert is_running()
    assert not is_running()


def test_a_process_of_another_user_runs(monkeypatch):
    def refuse(*_: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "kill", refuse)
    assert is_running_check(os.getpid())()


def test_without_start_times_the_process_id_decides(monkeypatch):
    monkeypatch.setattr(machine, "_state_and_start", lambda _: None)
    assert is_running_check(os.getpid())()


@pytest.mark.parametrize(
    ("handle", "error", "waits", "runs"),
    [(7, 0, [258, 258], True), (7, 0, [258, 0], False), (None, 87, [], False), (None, 5, [], True)],
)
def test_on_windows_a_handle_shows_whether_the_process_runs(monkeypatch, handle, error, waits, runs):
    asked = []

    def open_process(access: int, _: bool, process_id: int) -> int | None:
        asked.append((access, process_id))
        return handle

    left = iter(waits)
    kernel = SimpleNamespace(
        OpenProcess=_Function(open_process), WaitForSingleObject=_Function(lambda *_: next(left))
    )
    fake = SimpleNamespace(
        WinDLL=lambda *_, **__: kernel, get_last_error=lambda: error, c_void_p=object, c_ulong=object
    )
    monkeypatch.setattr(machine.importlib, "import_module", lambda _: fake)
    is_running = is_running_check(41, platform="win32")
    found = [is_running() for _ in range(max(1, len(waits)))]
    assert found[-1] is runs
    assert asked == [(0x00100000, 41)]


class _Function:
    """A function of ctypes, which takes attributes."""

    def __init__(self, call) -> None:
        self._call = call

    def __call__(self, *arguments):
        return self._call(*arguments)


def test_numpy_tells_the_features_where_the_system_has_no_cpuinfo(tmp_path, monkeypatch):
    numpy_part = machine.importlib.import_module("numpy._core._multiarray_umath")
    found = dict.fromkeys(numpy_part.__cpu_features__, False) | {"AVX2": True, "AVX512VNNI": True}
    monkeypatch.setattr(numpy_part, "__cpu_features__", found)
    assert machine.read_cpu(tmp_path / "none")[1] == ["avx2", "avx512_vnni"]
    monkeypatch.delattr(numpy_part, "__cpu_features__")
    assert machine.read_cpu(tmp_path / "none")[1] == []
