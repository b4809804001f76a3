"""Check whether another process still runs, on any operating system."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable
from pathlib import Path

from cg2ls.system import WINDOWS

_SYNCHRONIZE = 0x00100000
_ERROR_ACCESS_DENIED = 5
_WAIT_OBJECT_0 = 0
"""As winnt.h, winerror.h and winbase.h have them."""

_DEAD_STATES = "ZX"
"""A process that ended and whose parent has not read its status (a zombie), and one that is being removed."""


def is_running_check(process_id: int, *, platform: str = sys.platform) -> Callable[[], bool]:
    """Return a function that tells whether the process with this id still runs.

    A process that cannot be checked counts as running. A later process with the same id does not count on Linux and
    Windows. Linux reports start times, and Windows reserves an id while a handle is open.

    Args:
        process_id: of the process, above 0.
        platform: `sys.platform`, and something else in tests only.
    """
    if platform == WINDOWS:
        return _windows_check(process_id)
    begun = _state_and_start(process_id)

    def is_running() -> bool:
        try:
            os.kill(process_id, 0)
        except ProcessLookupError:
            return False
        except PermissionError:  # another user's
            pass
        found = _state_and_start(process_id)
        if found is None or begun is None:
            return True
        return found[0] not in _DEAD_STATES and found[1] == begun[1]

    return is_running


def _state_and_start(process_id: int) -> tuple[str, str] | None:
    """Return a process's state and start time from Linux's /proc; None if they are not available."""
    try:
        said = Path(f"/proc/{process_id}/stat").read_text("ascii", errors="replace")
    except OSError:
        return None
    fields = said.rpartition(")")[2].split()  # the name before it may hold anything
    return (fields[0], fields[19]) if len(fields) > 19 else None


def _windows_check(process_id: int) -> Callable[[], bool]:
    """Keep the process's handle, so that its id is not reused."""
    ctypes = importlib.import_module("ctypes")
    kernel = ctypes.WinDLL("kernel32", use_last_error=True)
    kernel.OpenProcess.restype = ctypes.c_void_p
    kernel.WaitForSingleObject.argtypes = [ctypes.c_void_p, ctypes.c_ulong]
    handle = kernel.OpenProcess(_SYNCHRONIZE, False, process_id)
    if not handle:
        is_hidden = ctypes.get_last_error() == _ERROR_ACCESS_DENIED
        return lambda: is_hidden
    return lambda: bool(kernel.WaitForSingleObject(handle, 0) != _WAIT_OBJECT_0)
