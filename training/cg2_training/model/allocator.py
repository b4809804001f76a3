"""Memory that a step frees is kept for the next one.

On a processor, PyTorch asks the C library for every activation. glibc maps blocks of 32 MB and more afresh and
gives them back to the system at once, so each step pays for every page of its activations anew: a tenth of a step
(docs/reference/training.md).
The heap, which is never trimmed, finds its size in a few steps, and then has the blocks already.
"""

from __future__ import annotations

import ctypes
import sys

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
"""As malloc.h has them; see mallopt(3)."""

NEVER = -1


def keep_freed_memory() -> bool:
    """Lets this process keep what it frees.

    Returns:
        False where the C library is not glibc; nothing changes there.
    """
    if sys.platform != "linux":
        return False
    library = ctypes.CDLL(None)
    if not hasattr(library, "gnu_get_libc_version"):
        return False
    return bool(library.mallopt(M_MMAP_MAX, 0) and library.mallopt(M_TRIM_THRESHOLD, NEVER))
