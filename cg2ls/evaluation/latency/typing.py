"""How fast answers come while somebody types."""

from __future__ import annotations

import os
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count, islice
from typing import TYPE_CHECKING, Any

import numpy as np

from cg2ls.evaluation.errors import ReplayError
from cg2ls.evaluation.latency.server_process import resident_mb
from cg2ls.evaluation.simulation.typist import Key, Typist

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from cg2ls.evaluation.simulation.headless_editor import Answer, Editor
    from cg2ls.evaluation.simulation.sources import Source
    from cg2ls.evaluation.simulation.typist import Key

WARM_KEYS = 20
"""Keys before those that count: the first calls of a session allocate."""

Json = dict[str, Any]


@dataclass
class Latencies:
    """One trace, key by key, without the keys at which completion keeps silent on purpose.

    Attributes:
        first_ms: from the request to the first new token.
        line_ms: from the request to the answer.
        reread_tokens: tokens the engine read before it answered; 0 where it was not asked.
        gap_ms: until the next key.
        asked: whether the engine was asked.
        silent: the keys at which completion keeps silent.
    """

    first_ms: list[float] = field(default_factory=list)
    line_ms: list[float] = field(default_factory=list)
    reread_tokens: list[int] = field(default_factory=list)
    gap_ms: list[float] = field(default_factory=list)
    asked: list[bool] = field(default_factory=list)
    silent: int = 0

    @property
    def times(self) -> dict[str, list[float]]:
        """Both times of every key."""
        return {"first token": self.first_ms, "line": self.line_ms}

    def add(self, answer: Answer, gap_ms: float) -> None:
        """Notes one key's answer."""
        if answer.reason == "silent":
            self.silent += 1
            return
        self.first_ms.append(answer.first_ms)
        self.line_ms.append(answer.line_ms)
        self.reread_tokens.append(answer.cost.reread_tokens if answer.cost else 0)
        self.gap_ms.append(gap_ms)
        self.asked.append(answer.cost is not None)

    def to_json(self) -> Json:
        """Percentiles; times in milliseconds, from the request to the answer, without any deliberate wait.

        Raises:
            ReplayError: there is nothing to measure.
        """
        if not self.line_ms:
            raise ReplayError("Completion kept silent at every key; replay files of a language it knows.")
        in_time = [line < gap for line, gap in zip(self.line_ms, self.gap_ms, strict=True)]
        return {
            "keys": len(self.line_ms) + self.silent,
            "silent_keys": self.silent,
            "latency_ms": {
                "first_token": percentiles(self.first_ms, (50, 95, 99)),
                "line": percentiles(self.line_ms, (50, 95, 99)),
            },
            "reread_tokens": percentiles(self.reread_tokens, (50, 95)),
            "total_ms": round(sum(self.line_ms), 1),
            "asked_engine": round(float(np.mean(self.asked)), 4),
            "before_next_key": round(float(np.mean(in_time)), 4),
        }


def percentiles(values: Sequence[float], which: Sequence[int]) -> dict[str, float]:
    """Percentiles by name, `p50` and the like, linearly interpolated."""
    found = np.percentile(np.asarray(values, dtype=np.float64), which)
    return {f"p{percent}": round(float(value), 3) for percent, value in zip(which, found, strict=True)}


def play(
    editor: Editor,
    keys: Iterable[Key],
    count: int,
    *,
    warm: int = WARM_KEYS,
    each: Callable[[Key, Answer], None] = lambda _key, _answer: None,
) -> Latencies:
    """Types so many keys and waits for every answer; the gaps are not slept.

    Args:
        editor: asks for completions.
        keys: the trace.
        count: keys that count; fewer if the trace ends.
        warm: keys before them.
        each: sees every key that counts and its answer.
    """
    found = Latencies()
    for number, key in enumerate(islice(keys, warm + count)):
        answer = editor.ask(key.source, key.text, key.offset)
        if number >= warm:
            found.add(answer, key.gap_ms)
            each(key, answer)
    return found


MEMORY_BOUND = 1.03
"""Most resident memory in the last quarter, by that in the second; the first fills caches."""

LATENCY_BOUND = 1.25
"""Longest median latency in the last quarter, by that in the second; machines have busy minutes."""

SAMPLE_KEYS = 50
"""Keys from one look at the memory to the next."""


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
