"""What a plan must know of this machine."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

MEMORY = Path("/proc/meminfo")


@dataclass(frozen=True)
class Machine:
    """Free memory, bytes.

    Attributes:
        memory: of the processor; what the system would give a new program.
        gpu: of the NVIDIA card with the most; 0 without one.
        gpu_name: as the driver calls it, "" without one.
    """

    memory: int
    gpu: int = 0
    gpu_name: str = ""


def this_machine() -> Machine:
    """Asks the system, and the driver where there is one."""
    cards = _cards()
    name, free = max(cards, key=lambda card: card[1], default=("", 0))
    return Machine(_available(), free, name)


def _available() -> int:
    try:
        lines = MEMORY.read_text().splitlines()
    except OSError:
        return 0
    kilobytes = next((line.split()[1] for line in lines if line.startswith("MemAvailable:")), "0")
    return int(kilobytes) * 1024


def _cards() -> list[tuple[str, int]]:
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    query = [program, "--query-gpu=name,memory.free", "--format=csv,noheader,nounits"]
    try:
        ran = subprocess.run(query, capture_output=True, text=True, timeout=10, check=True)
        rows = [line.rsplit(",", 1) for line in ran.stdout.splitlines() if "," in line]
        return [(name.strip(), int(free) << 20) for name, free in rows]
    except (OSError, ValueError, subprocess.SubprocessError):
        return []
