"""Many keys over many files: memory and latency must be the same in the end as they were early on."""

from __future__ import annotations

import os
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count, islice
from typing import TYPE_CHECKING, Any

from cg2ls.evaluation.latency.startup import resident_mb
from cg2ls.evaluation.latency.trace import Key, Typist
from cg2ls.evaluation.quality.errors import ReplayError

if TYPE_CHECKING:
    from cg2ls.evaluation.quality.headless_editor import Editor
    from cg2ls.evaluation.quality.sources import Source

MEMORY_BOUND = 1.03
"""Most resident memory in the last quarter, by that in the second; the first fills caches."""

LATENCY_BOUND = 1.25
"""Longest median latency in the last quarter, by that in the second; machines have busy minutes."""

SAMPLE_KEYS = 50
"""Keys from one look at the memory to the next."""

Json = dict[str, Any]


@dataclass(frozen=True)
class Soak:
    """What a soak saw.

    Attributes:
        keys: pressed.
        files: that were written in.
        resident_mb: highest resident memory of each quarter, in 10^6 bytes.
        line_ms: median latency of each quarter's keys at which the model ran, in milliseconds.
    """

    keys: int
    files: int
    resident_mb: Sequence[float]
    line_ms: Sequence[float]

    @property
    def memory_ratio(self) -> float:
        """Last quarter by second."""
        return self.resident_mb[3] / self.resident_mb[1]

    @property
    def latency_ratio(self) -> float:
        """Last quarter by second."""
        return self.line_ms[3] / self.line_ms[1]

    def problem(self) -> str:
        """What must not be; "" if all is well."""
        if self.memory_ratio > MEMORY_BOUND:
            return (
                f"Memory grew: {self.resident_mb[3]:.1f} MB in the last quarter of {self.keys} keys,"
                f" {self.resident_mb[1]:.1f} MB in the second ({self.memory_ratio:.3f} times, at most {MEMORY_BOUND})."
            )
        if self.latency_ratio > LATENCY_BOUND:
            return (
                f"Answers got slower: {self.line_ms[3]:.1f} ms in the last quarter of {self.keys} keys,"
                f" {self.line_ms[1]:.1f} ms in the second ({self.latency_ratio:.2f} times, at most {LATENCY_BOUND})."
            )
        return ""

    def to_json(self) -> Json:
        """All of it, under `soak`."""
        return {
            "soak": {
                "keys": self.keys,
                "files": self.files,
                "resident_mb": [round(value, 2) for value in self.resident_mb],
                "memory_ratio": round(self.memory_ratio, 4),
                "line_ms": [round(value, 3) for value in self.line_ms],
                "latency_ratio": round(self.latency_ratio, 4),
            }
        }


def soak(editor: Editor, sources: Sequence[Source], keys: int, seed: int = 0) -> Soak:
    """Types so many keys, through all files again and again if need be.

    Raises:
        ReplayError: there are too few keys to speak of quarters, the system does not tell the memory, or
            completion is silent.
    """
    quarter = keys // 4
    if quarter < SAMPLE_KEYS:
        raise ReplayError(f"A soak of {keys} keys is too short; it needs {4 * SAMPLE_KEYS} at least.")
    if resident_mb(os.getpid()) is None:
        raise ReplayError(
            "This system does not tell a process's resident memory in /proc, so nothing can soak."
        )
    memory: list[list[float]] = [[], [], [], []]
    times: list[list[float]] = [[], [], [], []]
    files = set()
    for number, key in enumerate(islice(_endless(sources, seed), 4 * quarter)):
        answer = editor.ask(key.source, key.text, key.offset)
        if answer.cost:
            times[number // quarter].append(answer.line_ms)
        files.add(key.source.name)
        if number % SAMPLE_KEYS == SAMPLE_KEYS - 1:
            memory[number // quarter].append(resident_mb(os.getpid()) or 0.0)
    if not all(times):
        raise ReplayError("The model ran at no key of a quarter; replay files of a language it knows.")
    return Soak(
        4 * quarter, len(files), [max(part) for part in memory], [statistics.median(part) for part in times]
    )


def _endless(sources: Sequence[Source], seed: int) -> Iterator[Key]:
    for number in count(seed):
        yield from Typist(sources, number, passages=1)
