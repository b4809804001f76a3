"""Departures of a small railway: when the next train leaves, and how late it is."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path


@dataclass
class Departure:
    """One train at one station."""

    line: str
    station: str
    planned: datetime
    delay: timedelta = timedelta(0)

    @property
    def expected(self) -> datetime:
        """Time at which the train leaves."""
        return self.planned + self.delay

    def is_late(self) -> bool:
        """Whether the train is more than five minutes late."""
        return self.delay > timedelta(minutes=5)


class Timetable:
    """All departures, the earliest first."""

    def __init__(self, departures: list[Departure]) -> None:
        self.departures = sorted(departures, key=lambda departure: departure.planned)

    def at(self, station: str) -> list[Departure]:
        """Departures of one station."""
        return [departure for departure in self.departures if departure.station == station]

    def next(self, station: str, now: datetime) -> Departure | None:
        """The next train that can still be reached."""
        for departure in self.at(station):
            if departure.expected >= now:
                return departure
        return None

    def report_delay(self, line: str, minutes: int) -> None:
        """Sets the delay of every train of a line."""
        for departure in self.departures:
            if departure.line == line:
                departure.delay = timedelta(minutes=minutes)


def load(path: Path) -> Timetable:
    """Read a file with one object for each departure."""
    with path.open() as file:
        rows = json.load(file)
    departures = []
    for row in rows:
        planned = datetime.fromisoformat(row["planned"])
        departures.append(Departure(row["line"], row["station"], planned))
    return Timetable(departures)
