"""How many threads a model is worth on this machine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST_THREADS = 8
"""Decoding is bound by memory bandwidth, which a few cores use up; the rest stays with the user's editor."""

CPU_TOPOLOGY = Path("/sys/devices/system/cpu")
CGROUP_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def default_threads() -> int:
    """Physical cores this process may use, within its cgroup's quota, at most `MOST_THREADS`."""
    usable = usable_cpus()
    cores = physical_cores(usable, CPU_TOPOLOGY)
    quota = cgroup_cpus(CGROUP_QUOTA)
    return max(1, min(cores, MOST_THREADS, cores if quota is None else quota))


def usable_cpus() -> set[int]:
    """Numbers of the logical CPUs this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return set(os.sched_getaffinity(0))
    return set(range(os.cpu_count() or 1))


def physical_cores(cpus: Iterable[int], topology: Path) -> int:
    """How many cores these logical CPUs belong to; each counts as one where the kernel does not say.

    Args:
        cpus: numbers of logical CPUs.
        topology: the folder of `cpu0/topology/thread_siblings_list` and its likes.
    """
    cores = set()
    for cpu in cpus:
        try:
            cores.add((topology / f"cpu{cpu}" / "topology" / "thread_siblings_list").read_text().strip())
        except OSError:
            cores.add(f"cpu{cpu}")
    return len(cores)


def cgroup_cpus(file: Path) -> int | None:
    """CPUs' worth of time the cgroup (version 2) may use, rounded up; None if it is not limited."""
    try:
        quota, period = file.read_text().split()
        return max(1, -(-int(quota) // int(period)))
    except (OSError, ValueError, ZeroDivisionError):
        return None
