"""Facts about this machine and its processes: processor, installed packages, memory and processor time."""

from __future__ import annotations

import os
import platform
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

CPU_FEATURES = ("avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8", "asimddp", "i8mm")
"""Instruction sets that decide the speed of quantized products, as Linux spells them."""

CPU_INFO = Path("/proc/cpuinfo")


def read_cpu(info: Path = CPU_INFO) -> tuple[str, list[str]]:
    """Return the processor's name and which of `CPU_FEATURES` it has (none where that is not known)."""
    name, flags = platform.processor() or platform.machine(), set()
    try:
        lines = info.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return name, []
    for line in lines:
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            name = value.strip()
        elif key.strip() in ("flags", "Features"):
            flags = set(value.split())
    return name, [feature for feature in CPU_FEATURES if feature in flags]


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
