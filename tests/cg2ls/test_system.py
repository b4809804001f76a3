"""Code that depends on the operating system, each variant tested on every system."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from cg2ls import system


@pytest.fixture
def refuses(monkeypatch):
    """Refuse renaming this many times; return the list of attempts."""
    tries = []
    real = Path.replace

    def setup(times: int) -> list[Path]:
        def replace(new: Path, old: Path) -> Path:
            tries.append(new)
            if len(tries) <= times:
                raise PermissionError(13, "in use")
            return real(new, old)

        monkeypatch.setattr(Path, "replace", replace)
        monkeypatch.setattr(system, "_RENAME_PAUSE_S", 0)
        return tries

    return setup


def test_a_file_that_is_open_elsewhere_on_windows_is_replaced_once_it_is_closed(tmp_path, refuses):
    new, old = tmp_path / "new", tmp_path / "old"
    new.write_text("new")
    old.write_text("old")
    tries = refuses(3)
    system.take_place(new, old, platform="win32")
    assert old.read_text() == "new"
    assert len(tries) == 4


def test_a_file_that_stays_open_on_windows_is_an_error_in_the_end(tmp_path, refuses):
    new = tmp_path / "new"
    new.write_text("new")
    tries = refuses(1000)
    with pytest.raises(PermissionError):
        system.take_place(new, tmp_path / "old", platform="win32")
    assert 1 < len(tries) < 100


@pytest.mark.parametrize("platform", ["linux", "darwin"])
def test_elsewhere_a_refusal_is_final(tmp_path, refuses, platform):
    new = tmp_path / "new"
    new.write_text("new")
    tries = refuses(1)
    with pytest.raises(PermissionError):
        system.take_place(new, tmp_path / "old", platform=platform)
    assert len(tries) == 1


def test_a_lock_keeps_a_second_process_waiting(tmp_path):
    import fcntl

    path = tmp_path / "lock"
    first = os.open(path, os.O_RDWR | os.O_CREAT)
    system.lock(first)
    second = os.open(path, os.O_RDWR)
    with pytest.raises(BlockingIOError):
        fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(first)
    fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(second)


def test_windows_locks_the_first_byte_and_waits(monkeypatch):
    calls = []
    fake = SimpleNamespace(LK_LOCK=1, locking=lambda *arguments: calls.append(arguments))
    monkeypatch.setitem(sys.modules, "msvcrt", fake)
    system.lock(7, platform="win32")
    assert calls == [(7, 1, 1)]


def test_a_folder_of_mode_700_is_private(tmp_path):
    tmp_path.chmod(0o700)
    assert system.is_private(tmp_path)
    tmp_path.chmod(0o750)
    assert not system.is_private(tmp_path)


def test_another_users_folder_is_not_private(tmp_path, monkeypatch):
    tmp_path.chmod(0o700)
    monkeypatch.setattr(os, "getuid", lambda: -1)
    assert not system.is_private(tmp_path)


def test_on_windows_a_folder_in_the_users_own_is_private(tmp_path, monkeypatch):
    home = tmp_path / "home"
    inside = home / "inside"
    inside.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delattr(os, "getuid")
    assert system.is_private(inside, platform="win32")
    assert not system.is_private(tmp_path, platform="win32")


def test_unix_sockets_are_everywhere_but_on_windows():
    assert system.has_unix_sockets(platform="linux")
    assert system.has_unix_sockets(platform="darwin")
    assert not system.has_unix_sockets(platform="win32")


def test_process_gets_the_request_to_end():
    async def wait() -> str:
        asked = asyncio.Event()
        loop = asyncio.get_running_loop()
        system.when_asked_to_end(loop, asked.set)
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(asked.wait(), 300)
        loop.remove_signal_handler(signal.SIGTERM)
        return "told"

    assert asyncio.run(wait()) == "told"


def test_a_loop_without_signals_as_on_windows_is_no_error():
    class Loop:
        def add_signal_handler(self, *_: object) -> None:
            raise NotImplementedError

    system.when_asked_to_end(Loop(), lambda: None)  # type: ignore[arg-type]


def test_on_windows_a_process_lowers_its_priority_class(monkeypatch):
    asked = []
    kernel = SimpleNamespace(SetPriorityClass=lambda *arguments: asked.append(arguments))
    fake = SimpleNamespace(windll=SimpleNamespace(kernel32=kernel), c_void_p=lambda value: value)
    monkeypatch.setitem(sys.modules, "ctypes", fake)
    system.give_way(platform="win32")
    assert asked == [(-1, 0x40)]


def test_where_priority_is_refused_nothing_changes(monkeypatch):
    def refused(*_: int) -> None:
        raise PermissionError(1, "not permitted")

    monkeypatch.setattr(os, "setpriority", refused)
    system.give_way(platform="linux")


def test_only_windows_opens_windows():
    assert system.unseen(platform="linux") == 0
    assert system.unseen(platform="win32") == 0x08000000


def test_a_thread_lowers_its_priority_where_threads_have_one(monkeypatch):
    asked = []
    monkeypatch.setattr(os, "setpriority", lambda *arguments: asked.append(arguments))
    for platform in ("linux", "darwin", "win32"):
        system.let_thread_give_way(5, platform=platform)
    assert asked == [(os.PRIO_PROCESS, threading.get_native_id(), 5)]


FREED_AND_MADE_AGAIN = """
import ctypes
from cg2ls.system import keep_large_blocks_apart

class Allocated(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in "arena ordblks smblks hblks hblkhd a b c d e".split()]

is_glibc = keep_large_blocks_apart()
if is_glibc:
    library = ctypes.CDLL(None)
    library.mallinfo2.restype = Allocated
    library.malloc.restype = ctypes.c_void_p
    before = library.mallinfo2().hblkhd
    for _ in range(3):
        large = library.malloc(20_000_000)
        library.free(ctypes.c_void_p(large))
        kept = library.malloc(2_000_000)
    print(round((library.mallinfo2().hblkhd - before) / 1e6))
else:
    print(6)
"""


def test_large_blocks_are_mapped_by_themselves_even_after_larger_ones_were_freed() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FREED_AND_MADE_AGAIN], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "6"


def test_other_systems_have_no_such_option() -> None:
    assert not system.keep_large_blocks_apart(platform=system.WINDOWS)


@pytest.mark.parametrize(
    ("supplies", "is_on_battery"),
    [
        ({}, False),
        ({"BAT0": {"type": "Battery", "status": "Discharging"}}, True),
        ({"BAT0": {"type": "Battery", "status": "Charging"}, "AC": {"type": "Mains", "online": "1"}}, False),
        ({"AC": {"type": "Mains"}, "BAT1": {"type": "Battery", "status": "Discharging"}}, True),
        ({"hid-mouse": {"type": "Battery", "status": "Discharging", "scope": "Device"}}, False),
    ],
)
def test_a_battery_that_discharges_drives_the_machine(tmp_path, supplies, is_on_battery):
    for name, files in supplies.items():
        (tmp_path / name).mkdir()
        for file, text in files.items():
            (tmp_path / name / file).write_text(f"{text}\n")
    assert system.is_on_battery(tmp_path) is is_on_battery


def test_without_a_list_of_power_supplies_there_is_no_battery(tmp_path):
    assert not system.is_on_battery(tmp_path / "none")
