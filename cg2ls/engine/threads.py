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


SLOW = 0.8
"""A CPU whose top speed is below this share of the fastest one's is an efficiency core. Every operator waits for its
slowest thread, so one of these costs more than it brings."""


def default_threads() -> int:
    """Fast physical cores this process may use, within its cgroup's quota, at most `MOST_THREADS`."""
    cores = physical_cores(fast_cpus(usable_cpus(), CPU_TOPOLOGY), CPU_TOPOLOGY)
    quota = cgroup_cpus(CGROUP_QUOTA)
    return max(1, min(cores, MOST_THREADS, cores if quota is None else quota))


def usable_cpus() -> set[int]:
    """Numbers of the logical CPUs this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return set(os.sched_getaffinity(0))
    return set(range(os.cpu_count() or 1))


def fast_cpus(cpus: Iterable[int], topology: Path) -> set[int]:
    """Those of the logical CPUs that are no efficiency cores; all where the kernel does not say.

    Args:
        cpus: numbers of logical CPUs.
        topology: the folder of `cpu0/cpu_capacity` (ARM) or `cpu0/cpufreq/cpuinfo_max_freq` and its likes.
    """
    cpus = set(cpus)
    for file in (Path("cpu_capacity"), Path("cpufreq") / "cpuinfo_max_freq"):
        speeds = {cpu: _number(topology / f"cpu{cpu}" / file) for cpu in cpus}
        if all(speeds.values()):
            fastest = max(speeds.values(), default=0)
            return {cpu for cpu, speed in speeds.items() if speed >= SLOW * fastest}
    return cpus


def _number(file: Path) -> int:
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return 0


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
