"""The file of counts in the user's state folder: by day, language and model, without any of the user's text."""

from __future__ import annotations

import json
import os
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from cg2ls.errors import Cg2Error
from cg2ls.files import write_atomically
from cg2ls.models.folder.locations import NoUserFolderError, state_folder
from cg2ls.system import lock

KEPT_DAYS = 365

Key = tuple[str, str, str]
"""Day as YYYY-MM-DD, LSP id of the language, name of the model."""


class StatsError(Cg2Error):
    """Error of counts that cannot be read or written."""


def this_day() -> date:
    """Return today's date in the user's time zone."""
    return datetime.now().astimezone().date()


def stats_file() -> Path:
    """Return the file of this user's counts.

    Raises:
        StatsError: this user has no folder.
    """
    try:
        return state_folder() / "stats.json"
    except NoUserFolderError as error:
        raise StatsError(str(error)) from None


class UserFile:
    """A file in the user's state folder that several servers may write.

    Args:
        path: of the file; its folder is made for this user alone if it is missing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def clear(self) -> None:
        """Remove the file.

        Raises:
            StatsError: the file cannot be removed.
        """
        with self.locked():
            self.path.unlink(missing_ok=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock of the file.

        Raises:
            StatsError: the file cannot be written.
        """
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock_file = self.path.with_name(self.path.name + ".lock")
            handle = os.open(lock_file, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise StatsError(f"{self.path} cannot be written ({error.strerror}).") from None
        try:
            lock(handle)
            yield
        except OSError as error:
            raise StatsError(f"{self.path} cannot be written ({error.strerror}).") from None
        finally:
            os.close(handle)


class StatsFile(UserFile):
    """Counts that several servers may add to."""

    def read(self) -> dict[Key, Counts]:
        """Return all counts; none if there is no file.

        Raises:
            StatsError: the file is damaged or cannot be read.
        """
        try:
            raw = json.loads(self.path.read_text(encoding="utf-8"))
            return dict(_entries(raw))
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise StatsError(f"{self.path} cannot be read ({error.strerror}).") from None
        except (ValueError, TypeError, LookupError, RecursionError):
            raise StatsError(f"{self.path} is damaged; start again with `cg2ls stats clear`.") from None

    def add(self, new: Mapping[Key, Counts]) -> None:
        """Add counts and keep the last days that have any; a damaged file is renamed to `stats.json.damaged`.

        Days are counted, not compared with today: a clock that was wrong once must not lose earlier counts.

        Raises:
            StatsError: the file cannot be written.
        """
        with self.locked():
            try:
                found = self.read()
            except StatsError:
                self.path.replace(self.path.with_name(self.path.name + ".damaged"))
                found = {}
            for key, counts in new.items():
                found.setdefault(key, Counts()).add(counts)
            kept = sorted({day for day, _, _ in found})[-KEPT_DAYS:]
            self._write({key: counts for key, counts in found.items() if key[0] in kept})

    def _write(self, found: Mapping[Key, Counts]) -> None:
        rows = [
            {"day": day, "language": language, "model": model, **counts.to_json()}
            for (day, language, model), counts in sorted(found.items())
        ]
        write_atomically(self.path, json.dumps({"format": 1, "counts": rows}) + "\n", mode=0o600)


def _entries(raw: Any) -> Iterator[tuple[Key, Counts]]:
    for row in raw["counts"] if raw["format"] == 1 else ():
        key = row["day"], row["language"], row["model"]
        if not all(isinstance(part, str) for part in key):
            raise ValueError("a day, a language or a model must be a string")
        yield key, Counts.from_json(row)


def report(
    found: Mapping[Key, Counts], *, days: int | None = None, today: date | None = None
) -> dict[str, Any]:
    """Return sums for people: total, by language, by model, by day.

    Args:
        found: what was counted.
        days: only the last so many, today among them; None for all.
        today: the current day.
    """
    last = today or this_day()
    first = "" if days is None else (last - timedelta(days=days - 1)).isoformat()
    until = (
        "" if days is None else last.isoformat()
    )  # a clock that was wrong once may have counted in the future
    chosen = {key: counts for key, counts in found.items() if not first or first <= key[0] <= until}
    groups: dict[str, dict[str, Counts]] = {"days": {}, "languages": {}, "models": {}}
    total = Counts()
    for key, counts in sorted(chosen.items()):
        total.add(counts)
        for group, name in zip(groups.values(), key, strict=True):
            group.setdefault(name, Counts()).add(counts)
    return {
        "total": total.report(),
        **{name: {each: counts.report() for each, counts in group.items()} for name, group in groups.items()},
    }


BOUNDS_MS = (1, 2, 5, 10, 15, 20, 30, 40, 50, 75, 100, 150, 200, 300, 500, 750, 1000, 2000, 5000)
"""Upper ends of the classes that latencies are counted in; the last class has none."""

PLAIN = (
    "requests",
    "shown",
    "accepted",
    "partly_accepted",
    "saved_characters",
    "failed",
    "visits",
    "visits_read_ahead",
)


@dataclass
class Counts:
    """Sums over some time.

    Attributes:
        requests: answered, with text or without.
        shown: completions sent to the client, each once, for any duration.
        accepted: of these, accepted in whole, or to the last part.
        partly_accepted: of these, those a part of which was accepted, and perhaps the rest later.
        saved_characters: that were accepted rather than typed.
        failed: requests that failed; they are not among the answered ones.
        visits: first requests at a new place that the model answered.
        visits_read_ahead: of these, those whose prompt had been read before.
        latency: requests by class of `BOUNDS_MS`, from request to answer.
    """

    requests: int = 0
    shown: int = 0
    accepted: int = 0
    partly_accepted: int = 0
    saved_characters: int = 0
    failed: int = 0
    visits: int = 0
    visits_read_ahead: int = 0
    latency: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_MS) + 1))

    def answered(self, latency_ms: float) -> None:
        """Count an answered request."""
        self.requests += 1
        self.latency[bisect_left(BOUNDS_MS, latency_ms)] += 1

    def add(self, other: Counts) -> None:
        """Add other sums."""
        for name in PLAIN:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.latency = [ours + its for ours, its in zip(self.latency, other.latency, strict=True)]

    def percentile_ms(self, share: float) -> float | None:
        """Return the latency that this share of the requests did not exceed, as the upper end of its class.

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
        """Return the object of the file."""
        return {name: getattr(self, name) for name in PLAIN} | {"latency": self.latency}

    @classmethod
    def from_json(cls, raw: Any) -> Counts:
        """Read an object of the file.

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
        """Return the object that `cg2ls stats --json` and editors show."""
        said: dict[str, Any] = {name: getattr(self, name) for name in PLAIN}
        said["acceptance"] = round(self.accepted / self.shown, 3) if self.shown else None
        said["latency_ms"] = {
            name: self.percentile_ms(share) for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))
        }
        return said
