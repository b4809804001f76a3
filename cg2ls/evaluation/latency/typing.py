"""How fast answers come while somebody types."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from cg2ls.evaluation.quality.errors import ReplayError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from cg2ls.evaluation.latency.trace import Key
    from cg2ls.evaluation.quality.headless_editor import Answer, Editor

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
