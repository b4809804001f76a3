"""Facts about this machine and its processes, on any operating system."""

from __future__ import annotations

import importlib
import os
import platform
import re
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from cg2ls.system import WINDOWS

CPU_FEATURES = ("avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8", "asimddp", "i8mm")
"""Instruction sets that decide the speed of quantized products, as Linux spells them."""

CPU_INFO = Path("/proc/cpuinfo")

NUMPY_NAMES = {"AVX2": "avx2", "AVX512F": "avx512f", "AVX512VNNI": "avx512_vnni", "AVX512BF16": "avx512_bf16"}
"""Instruction sets that numpy detects on every operating system, and their names in `CPU_FEATURES`."""


def read_cpu(info: Path = CPU_INFO) -> tuple[str, list[str]]:
    """Return the processor's name and its known features from `CPU_FEATURES`."""
    name, flags = platform.processor() or platform.machine(), set()
    try:
        lines = info.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return name, _features_of_numpy()
    for line in lines:
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            name = value.strip()
        elif key.strip() in ("flags", "Features"):
            flags = set(value.split())
    return name, [feature for feature in CPU_FEATURES if feature in flags]


def _features_of_numpy() -> list[str]:
    try:
        found = importlib.import_module("numpy._core._multiarray_umath").__cpu_features__
    except (ImportError, AttributeError):  # not a public name, so that it may be absent
        return []
    return [feature for name, feature in NUMPY_NAMES.items() if found.get(name)]


def find_package_version(*names: str) -> str | None:
    """Return the version of the first package that is installed, with its name if it is not the first."""
    for name in names:
        try:
            found = version(name)
        except PackageNotFoundError:
            continue
        return found if name == names[0] else f"{found} ({name})"
    return None


def read_processor_ms(pid: int) -> float | None:
    """Return the processor time of a process in milliseconds; None if the system does not report it."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks = int(fields[11]) + int(fields[12])  # of user and system, proc_pid_stat(5)
        return 1e3 * ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError):
        return None


def read_resident_mb(pid: int) -> float | None:
    """Return the resident memory of a process in 10^6 bytes; None if /proc does not report it."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except OSError:
        return None
    match = re.search(r"VmRSS:\s*(\d+) kB", status)
    return int(match[1]) * 1024 / 1e6 if match else None


_SYNCHRONIZE = 0x00100000
_ERROR_ACCESS_DENIED = 5
_WAIT_OBJECT_0 = 0
"""Values of winnt.h, winerror.h and winbase.h."""

_DEAD_STATES = "ZX"
"""A process that ended and whose parent has not read its status (a zombie), and one that is being removed."""


def is_running_check(process_id: int, *, platform: str = sys.platform) -> Callable[[], bool]:
    """Return a function that tells whether the process with this id still runs.

    A process that cannot be checked counts as running. A later process with the same id does not count on Linux and
    Windows. Linux reports start times, and Windows reserves an id while a handle is open.

    Args:
        process_id: id of the process, above 0.
        platform: `sys.platform`; only tests pass another value.
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
    fields = said.rpartition(")")[2].split()  # the name before it may contain anything
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
