"""Latency of answers while a user types, and whether latency and memory stay constant over many keys."""

from __future__ import annotations

import os
import statistics
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from cg2ls.errors import EvaluationError
from cg2ls.evaluation.progress import untracked
from cg2ls.evaluation.simulation.typist import type_again_and_again
from cg2ls.evaluation.statistics import percentiles
from cg2ls.machine import read_resident_mb

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from cg2ls.evaluation.progress import Track
    from cg2ls.evaluation.simulation.headless_editor import HeadlessEditor, TimedAnswer
    from cg2ls.evaluation.simulation.sources import SourceFile
    from cg2ls.evaluation.simulation.typist import KeyPress

WARM_UP_KEYS = 20
"""Keys before those that count: the first calls of a session allocate memory."""

MAX_MEMORY_RATIO = 1.03
"""Limit of resident memory in the last quarter divided by that in the second; the first fills caches."""

MAX_LATENCY_RATIO = 1.25
"""Limit of the median latency in the last quarter divided by that in the second; machines have busy minutes."""

KEYS_PER_SAMPLE = 50
"""Keys between two readings of the memory."""

Json = dict[str, Any]


@dataclass
class TypingLatency:
    """Latency of one trace, key by key, without the keys at which completion is suppressed.

    Attributes:
        first_ms: time from the request to the first new token.
        line_ms: time from the request to the answer.
        reread_tokens: tokens the engine read before it answered; 0 if it did not run.
        gap_ms: time until the next key.
        asked: whether the engine ran for the key.
        silent: number of keys at which completion is suppressed.
    """

    first_ms: list[float] = field(default_factory=list)
    line_ms: list[float] = field(default_factory=list)
    reread_tokens: list[int] = field(default_factory=list)
    gap_ms: list[float] = field(default_factory=list)
    asked: list[bool] = field(default_factory=list)
    silent: int = 0

    @property
    def times(self) -> dict[str, list[float]]:
        """Both times of every key, by name."""
        return {"first token": self.first_ms, "line": self.line_ms}

    def add(self, answer: TimedAnswer, gap_ms: float) -> None:
        """Add the answer to one key."""
        if answer.reason == "silent":
            self.silent += 1
            return
        self.first_ms.append(answer.first_ms)
        self.line_ms.append(answer.line_ms)
        self.reread_tokens.append(answer.cost.reread_tokens if answer.cost else 0)
        self.gap_ms.append(gap_ms)
        self.asked.append(answer.cost is not None)

    def to_json(self) -> Json:
        """Return percentiles of times in milliseconds from request to answer, without any deliberate delay.

        Raises:
            EvaluationError: there is nothing to measure.
        """
        if not self.line_ms:
            raise EvaluationError("Completion was silent at every key; replay files of a language it knows.")
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


def measure_typing(
    editor: HeadlessEditor,
    keys: Iterable[KeyPress],
    count: int,
    *,
    warm_up: int = WARM_UP_KEYS,
    on_answer: Callable[[KeyPress, TimedAnswer], None] = lambda _key, _answer: None,
) -> TypingLatency:
    """Type keys and wait for every answer; the gaps between keys are skipped.

    Args:
        editor: editor that requests completions.
        keys: the trace.
        count: number of keys that count; fewer if the trace ends.
        warm_up: number of keys before them.
        on_answer: receives every key that counts and its answer.
    """
    found = TypingLatency()
    for number, key in enumerate(islice(keys, warm_up + count)):
        answer = editor.ask(key.source, key.text, key.offset)
        if number >= warm_up:
            found.add(answer, key.gap_ms)
            on_answer(key, answer)
    return found


@dataclass(frozen=True)
class SoakResult:
    """Memory and latency over the quarters of many keys.

    Attributes:
        keys: keys pressed.
        files: files that were edited.
        resident_mb: highest resident memory of each quarter, in 10^6 bytes.
        line_ms: median latency of each quarter's keys at which the model ran, in milliseconds.
    """

    keys: int
    files: int
    resident_mb: Sequence[float]
    line_ms: Sequence[float]

    @property
    def memory_ratio(self) -> float:
        """Memory of the last quarter divided by that of the second."""
        return self.resident_mb[3] / self.resident_mb[1]

    @property
    def latency_ratio(self) -> float:
        """Latency of the last quarter divided by that of the second."""
        return self.line_ms[3] / self.line_ms[1]

    def describe_problem(self) -> str:
        """Return which limit was exceeded; "" if none was."""
        if self.memory_ratio > MAX_MEMORY_RATIO:
            return (
                f"Memory grew: {self.resident_mb[3]:.1f} MB in the last quarter of {self.keys} keys,"
                f" {self.resident_mb[1]:.1f} MB in the second ({self.memory_ratio:.3f} times, at most"
                f" {MAX_MEMORY_RATIO})."
            )
        if self.latency_ratio > MAX_LATENCY_RATIO:
            return (
                f"Answers got slower: {self.line_ms[3]:.1f} ms in the last quarter of {self.keys} keys,"
                f" {self.line_ms[1]:.1f} ms in the second ({self.latency_ratio:.2f} times, at most"
                f" {MAX_LATENCY_RATIO})."
            )
        return ""

    def to_json(self) -> Json:
        """Return everything under the key `soak`."""
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


def run_soak(
    editor: HeadlessEditor,
    sources: Sequence[SourceFile],
    keys: int,
    seed: int = 0,
    *,
    track: Track = untracked,
) -> SoakResult:
    """Type keys, through all files repeatedly if necessary, with reading ahead; record memory and latency.

    Raises:
        EvaluationError: there are too few keys for quarters, the system does not report the memory, or
            completion is silent.
    """
    quarter = keys // 4
    if quarter < KEYS_PER_SAMPLE:
        raise EvaluationError(f"A soak of {keys} keys is too short; it needs at least {4 * KEYS_PER_SAMPLE}.")
    if read_resident_mb(os.getpid()) is None:
        raise EvaluationError(
            "This system does not report a process's resident memory in /proc; a soak needs that."
        )
    memory_mb: list[list[float]] = [[], [], [], []]
    line_ms: list[list[float]] = [[], [], [], []]
    files = set()
    before: SourceFile | None = None
    pressed = track(islice(type_again_and_again(sources, seed), 4 * quarter), "keys", 4 * quarter)
    for number, key in enumerate(pressed):
        if key.source is not before:  # the places where the user arrives are read ahead, as in the server
            editor.go_to(key.source, key.text, key.offset)
        before = key.source
        answer = editor.ask(key.source, key.text, key.offset)
        if answer.cost:
            line_ms[number // quarter].append(answer.line_ms)
        files.add(key.source.name)
        if number % KEYS_PER_SAMPLE == KEYS_PER_SAMPLE - 1:
            memory_mb[number // quarter].append(read_resident_mb(os.getpid()) or 0.0)
    if not all(line_ms):
        raise EvaluationError("The model ran at no key of a quarter; replay files of a language it knows.")
    return SoakResult(
        4 * quarter,
        len(files),
        [max(part) for part in memory_mb],
        [statistics.median(part) for part in line_ms],
    )
