"""Code that depends on the operating system: files, locks, private folders, sockets, priority, memory, signals.

The rest of the package uses these functions instead of checking the platform. The parameter `platform` is
`sys.platform`,
and only tests pass another value.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import signal
import stat
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterator

WINDOWS = "win32"

_NICEST = 19
_THIS_PROCESS = -1
_IDLE_PRIORITY_CLASS = 0x40
_CREATE_NO_WINDOW = 0x08000000
"""Values of winbase.h, and the handle that GetCurrentProcess returns."""

_M_MMAP_THRESHOLD = -3
"""Number of the option in glibc's malloc.h."""

_LARGE_BLOCK_BYTES = 1 << 20

_RENAME_TRIES = 20
_RENAME_PAUSE_S = 0.05


def take_place(new: Path, old: Path, *, platform: str = sys.platform) -> None:
    """Rename a file over one that may exist, or a folder to a free name.

    Windows refuses while another program, such as a virus scanner, has either open. So this tries for a second.

    Raises:
        OSError: it cannot be renamed.
    """
    for left in reversed(range(_RENAME_TRIES)):
        try:
            new.replace(old)
            return
        except PermissionError:
            if platform != WINDOWS or left == 0:
                raise
            time.sleep(_RENAME_PAUSE_S)


def lock(handle: int, *, wait: bool = True, platform: str = sys.platform) -> None:
    """Wait until no other process has locked a file, and lock it; closing the file unlocks it.

    Args:
        handle: handle of a file that is open for writing.
        wait: whether to wait; if false, a file that another process has locked is an error.
        platform: see the module's docstring.

    Raises:
        OSError: the file system has no locks, or the other process keeps its lock (on Windows for ten seconds).
    """
    if platform == WINDOWS:
        msvcrt = importlib.import_module("msvcrt")
        msvcrt.locking(handle, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
    else:
        fcntl = importlib.import_module("fcntl")
        fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)


def is_private(folder: Path, *, platform: str = sys.platform) -> bool:
    """Return whether only this user can enter a folder.

    Windows has access lists instead of modes. There a folder is private if it is in the user's own folder.

    Raises:
        OSError: the folder cannot be examined.
    """
    found = folder.stat()
    if platform == WINDOWS:
        home = home_folder()
        return home is not None and folder.resolve().is_relative_to(home.resolve())
    return found.st_uid == os.getuid() and not stat.S_IMODE(found.st_mode) & 0o077


def open_missing_streams() -> None:
    """Open the null device in place of standard streams that were closed.

    Otherwise the next open file gets such a stream's number, and text for stderr is written into it.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest free number is this one
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - for the whole process


def home_folder() -> Path | None:
    """Return the user's home folder; None if neither HOME nor the user database names one."""
    return expand_home("~")


def expand_home(path: str) -> Path | None:
    """Expand a leading `~` or `~user`; None if there is no such home folder."""
    try:
        expanded = Path(path).expanduser()
    except (RuntimeError, KeyError):
        return None
    return None if path.startswith("~") and not expanded.is_absolute() else expanded


def give_way(*, platform: str = sys.platform) -> None:
    """Lower this process's priority to the minimum; if that is refused, nothing changes."""
    if platform == WINDOWS:
        ctypes = importlib.import_module("ctypes")
        ctypes.windll.kernel32.SetPriorityClass(ctypes.c_void_p(_THIS_PROCESS), _IDLE_PRIORITY_CLASS)
        return
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, _NICEST)


def let_thread_give_way(nice: int, *, platform: str = sys.platform) -> None:
    """Lower the calling thread's priority; without priorities per thread, nothing changes."""
    if platform == "linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), nice)


def keep_large_blocks_apart(*, platform: str = sys.platform) -> bool:
    """Let glibc map each large block of memory by itself, so that it goes back to the system when it is freed.

    By default glibc puts a block as large as an earlier freed one among the small ones. Then the weights of a model
    that is opened again are between blocks that stay, and the memory of the process grows with every restart.

    Returns:
        Whether the C library does so from now on; only glibc has this option.
    """
    if platform != "linux":
        return False
    ctypes = importlib.import_module("ctypes")
    try:
        return bool(ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE_BLOCK_BYTES))
    except (OSError, AttributeError):
        return False


@contextlib.contextmanager
def pause_collection() -> Iterator[None]:
    """Import modules without garbage collection of their objects, now or later.

    Imports make many objects that stay. Without this, Python searches them repeatedly: a third of the time that a
    server takes to start.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


POWER_SUPPLIES = Path("/sys/class/power_supply")
"""Folder of Linux with a folder for each battery and each charger."""


def is_on_battery(supplies: Path = POWER_SUPPLIES) -> bool:
    """Return whether a battery of the machine is discharging; False where the system does not report it."""
    for supply in supplies.glob("*"):
        try:
            kind, status = (
                (supply / name).read_text(encoding="ascii").strip() for name in ("type", "status")
            )
            scope = supply / "scope"
            is_device = scope.exists() and scope.read_text(encoding="ascii").strip() == "Device"
        except (OSError, UnicodeDecodeError):
            continue  # a charger has no status
        if kind == "Battery" and status == "Discharging" and not is_device:  # a mouse has a battery, too
            return True
    return False


def unseen(*, platform: str = sys.platform) -> int:
    """Return `creationflags` of `subprocess.Popen` for a process without a window."""
    return _CREATE_NO_WINDOW if platform == WINDOWS else 0


def has_unix_sockets(*, platform: str = sys.platform) -> bool:
    """Return whether asyncio can listen on a Unix socket."""
    return platform != WINDOWS


def when_asked_to_end(loop: asyncio.AbstractEventLoop, call: Callable[[], object]) -> None:
    """Call a function in the event loop when the process receives a request to end, where the system has such signals.

    Windows ends a process without a signal, so no work may be left for this moment.
    """
    try:
        loop.add_signal_handler(signal.SIGTERM, call)
    except (NotImplementedError, RuntimeError, ValueError):  # Windows; not the main thread
        return
