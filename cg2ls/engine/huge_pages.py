"""Weights in pages of 2 MB.

A decoded token reads every weight once. In pages of 4 kB the processor then looks an address up for every 4 kB, and
its prefetching ends at each page; in pages of 2 MB decoding is up to 7 % faster (docs/design/engine.md). The runtime
allocates the weights itself, so Linux is asked to move them once they are there.
"""

from __future__ import annotations

import ctypes
import mmap
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import RawIOBase

PAGE, HUGE = 4 << 10, 2 << 20
"""Bytes of a page and of a huge one: on x86-64, and on ARM unless its pages are larger."""

MADV_COLLAPSE = 25
"""Of Linux 6.1; an older kernel refuses it, and nothing changes."""

IN_USE = 0.9
"""Share of a huge page that must be in memory already: what is mostly unused, such as a thread's stack, would grow."""

LIMIT_S = 2.0
"""Seconds after which the rest stays where it is: where memory is in pieces, the system has to make room first."""

SETTING = Path("/sys/kernel/mm/transparent_hugepage/enabled")
MAPPINGS, PAGEMAP = Path("/proc/self/maps"), Path("/proc/self/pagemap")


def use_huge_pages() -> int:
    """Moves this process's memory to huge pages, where the system has them and leaves them to be asked for.

    Only memory that is in use is moved, so the process grows by a tenth of it at most.

    Returns:
        Bytes that lie in huge pages now which they could.
    """
    try:
        if mmap.PAGESIZE != PAGE or "[never]" in SETTING.read_text(encoding="ascii"):
            return 0
        madvise = ctypes.CDLL(None).madvise
        places = list(_whole(MAPPINGS.read_text(encoding="utf-8", errors="replace")))
        pagemap = PAGEMAP.open("rb", buffering=0)
    except (OSError, AttributeError, TypeError):  # another system
        return 0
    moved, last = 0, time.monotonic() + LIMIT_S
    with pagemap:
        for place in places:
            if _share_in_use(pagemap, place) >= IN_USE:
                refused = madvise(ctypes.c_void_p(place), ctypes.c_size_t(HUGE), ctypes.c_int(MADV_COLLAPSE))
                moved += 0 if refused else HUGE
            if time.monotonic() > last:
                break
    return moved


def _whole(maps: str) -> Iterator[int]:
    """Addresses of whole huge pages of private, writable memory that belongs to no file; see proc(5)."""
    for line in maps.splitlines():
        addresses, rights, _, _, inode = line.split()[:5]
        start, end = (int(address, 16) for address in addresses.split("-"))
        if rights.startswith("rw") and rights.endswith("p") and inode == "0":
            yield from range(-(-start // HUGE) * HUGE, end - HUGE + 1, HUGE)


def _share_in_use(pagemap: RawIOBase, place: int) -> float:
    """How much of a huge page at an address is in memory; a page's uppermost bit says so."""
    pagemap.seek(place // PAGE * 8)
    pages = np.frombuffer(pagemap.read(HUGE // PAGE * 8) or b"", dtype=np.uint64)
    return float((pages >> np.uint64(63)).sum()) * PAGE / HUGE
