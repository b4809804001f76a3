"""The numbers `cg2ls stats` reports: what was asked, shown and accepted, and how long it took."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

BOUNDS_MS = (1, 2, 5, 10, 15, 20, 30, 40, 50, 75, 100, 150, 200, 300, 500, 750, 1000, 2000, 5000)
"""Upper ends of the classes that latencies are counted in; the last class has none."""

PLAIN = ("requests", "shown", "accepted", "partly_accepted", "saved_characters", "failed")


@dataclass
class Counts:
    """Sums over some time.

    Attributes:
        requests: answered, with text or without.
        shown: completions sent to the client, each once however long it stayed.
        accepted: of these, accepted in whole, or to the last part.
        partly_accepted: of these, those a part of which was accepted, and perhaps the rest later.
        saved_characters: that were accepted rather than typed.
        failed: requests that something went wrong with; they are not among the answered ones.
        latency: requests by class of `BOUNDS_MS`, from request to answer.
    """

    requests: int = 0
    shown: int = 0
    accepted: int = 0
    partly_accepted: int = 0
    saved_characters: int = 0
    failed: int = 0
    latency: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_MS) + 1))

    def answered(self, latency_ms: float) -> None:
        """One request was answered."""
        self.requests += 1
        self.latency[bisect_left(BOUNDS_MS, latency_ms)] += 1

    def add(self, other: Counts) -> None:
        """Takes other sums in."""
        for name in PLAIN:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.latency = [ours + its for ours, its in zip(self.latency, other.latency, strict=True)]

    def percentile_ms(self, share: float) -> float | None:
        """Latency that this share of the requests did not exceed, as the upper end of its class.

        None without a request; the last bound for any latency above it.
        """
        left = share * sum(self.latency)
        if not left:
            return None
        for bound, count in zip((*BOUNDS_MS, BOUNDS_MS[-1]), self.latency, strict=True):
            left -= count
            if left <= 0:
                return float(bound)
        return float(BOUNDS_MS[-1])

    def to_json(self) -> dict[str, Any]:
        """As the file has them."""
        return {name: getattr(self, name) for name in PLAIN} | {"latency": self.latency}

    @classmethod
    def from_json(cls, raw: Any) -> Counts:
        """From the file.

        Raises:
            ValueError: it is damaged.
        """
        if not isinstance(raw, Mapping):
            raise ValueError("counts must be an object")
        plain = [raw.get(name, 0) for name in PLAIN]
        latency = raw.get("latency")
        if not isinstance(latency, list) or len(latency) != len(BOUNDS_MS) + 1:
            raise ValueError("latency must be a list of counts")
        if not all(isinstance(count, int) and count >= 0 for count in (*plain, *latency)):
            raise ValueError("a count must be a whole number")
        return cls(**dict(zip(PLAIN, plain, strict=True)), latency=list(latency))

    def report(self) -> dict[str, Any]:
        """As `cg2ls stats --json` and editors show them."""
        said: dict[str, Any] = {name: getattr(self, name) for name in PLAIN}
        said["acceptance"] = round(self.accepted / self.shown, 3) if self.shown else None
        said["latency_ms"] = {
            name: self.percentile_ms(share) for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))
        }
        return said
