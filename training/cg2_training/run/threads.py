"""How many threads a run computes with on a processor."""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch

PROCESSORS = torch.get_num_threads()
"""PyTorch's own choice, before anything was set: the cores that this process may use, or OMP_NUM_THREADS."""


@dataclass(frozen=True)
class Threads:
    """A number of threads, and where it comes from."""

    count: int
    why: str

    def __str__(self) -> str:
        """A line to print."""
        return f"{self.count} thread{'s' * (self.count > 1)}: {self.why}"


def choose_threads(wanted: int, noted: int) -> Threads:
    """Chooses the threads of a run.

    More threads than idle cores wait for one another at every product, which is slower by far than one thread alone.

    Args:
        wanted: what the recipe says; 0 if it leaves the choice.
        noted: what a run that goes on had before, since sums come out to the bit only with the same; 0 if unknown.
    """
    if wanted:
        return Threads(wanted, "run.threads")
    if noted:
        return Threads(noted, "as before; run.threads sets another number")
    if "OMP_NUM_THREADS" in os.environ:
        return Threads(PROCESSORS, "OMP_NUM_THREADS")
    busy = _load()
    idle = max(1, min(PROCESSORS, round(PROCESSORS - busy)))
    told = f"{PROCESSORS} cores, a load of {busy:.1f}"
    return Threads(idle, told + ("; run.threads sets another number" if idle < PROCESSORS else ""))


def _load() -> float:
    """Processes that ran or waited for a core in the last minute; 0 where the system does not say."""
    try:
        return os.getloadavg()[0]
    except (OSError, AttributeError):
        return 0.0
