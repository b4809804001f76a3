"""Weights in pages of 2 MB.

A decoded token reads every weight once. In pages of 4 kB the processor then looks an address up for every 4 kB, and
its prefetching ends at each page; in pages of 2 MB decoding is up to 7 % faster (docs/engine.md). The runtime
allocates the weights itself, so Linux is asked to move them once they are there.
"""

from __future__ import annotations

import ctypes
import mmap
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE, HUGE = 4 << 10, 2 << 20
"""Bytes of a page and of a huge one: on x86-64, and on ARM unless its pages are larger."""

MADV_COLLAPSE = 25
"""Of Linux 6.1; an older kernel refuses it, and nothing changes."""

IN_USE = 0.75
"""Share of a mapping that must be in memory: what is mostly unused, such as a thread's stack, would grow."""

LIMIT_S = 2.0
"""Seconds after which the rest stays where it is: where memory is in pieces, the system has to make room first."""

SETTING = Path("/sys/kernel/mm/transparent_hugepage/enabled")
MAPPINGS = Path("/proc/self/smaps")


def use_huge_pages() -> int:
    """Moves this process's memory to huge pages, where the system has them and leaves them to be asked for.

    Only whole huge pages of memory that is in use are moved, so the process does not grow.

    Returns:
        Bytes that lie in huge pages now which they could.
    """
    try:
        if mmap.PAGESIZE != PAGE or "[never]" in SETTING.read_text(encoding="ascii"):
            return 0
        madvise = ctypes.CDLL(None).madvise
        mappings = list(_used(MAPPINGS.read_text(encoding="utf-8", errors="replace")))
    except (OSError, AttributeError, TypeError):  # another system
        return 0
    moved, last = 0, time.monotonic() + LIMIT_S
    for start, end in mappings:
        for place in range(-(-start // HUGE) * HUGE, end - HUGE + 1, HUGE):
            refused = madvise(ctypes.c_void_p(place), ctypes.c_size_t(HUGE), ctypes.c_int(MADV_COLLAPSE))
            moved += 0 if refused else HUGE
            if time.monotonic() > last:
                return moved
    return moved


def _used(smaps: str) -> Iterator[tuple[int, int]]:
    """Start and end of private, writable memory that belongs to no file and is mostly in use; see proc(5)."""
    wanted, start, end = False, 0, 0
    for line in smaps.splitlines():
        first, *rest = line.split()
        if first == "Rss:":
            if wanted and int(rest[0]) * 1024 >= IN_USE * (end - start):
                yield start, end
        elif not first.endswith(":"):
            start, end = (int(address, 16) for address in first.split("-"))
            rights, _, _, inode = rest[:4]
            wanted = rights.startswith("rw") and rights.endswith("p") and inode == "0" and end - start >= HUGE
