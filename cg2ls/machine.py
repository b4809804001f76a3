"""What this machine has: processor, installed packages."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

CPU_FEATURES = ("avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8", "asimddp", "i8mm")
"""Instruction sets that decide how fast quantized products are, as Linux spells them."""

CPU_INFO = Path("/proc/cpuinfo")


def cpu(info: Path = CPU_INFO) -> tuple[str, list[str]]:
    """Name of the processor, and which of `CPU_FEATURES` it has (none where that is not known)."""
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


def package_version(*names: str) -> str | None:
    """Version of the first of these packages that is installed, with its name if it is not the first."""
    for name in names:
        try:
            found = version(name)
        except PackageNotFoundError:
            continue
        return found if name == names[0] else f"{found} ({name})"
    return None
