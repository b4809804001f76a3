"""Latency of the first completion at a new place, in a real server, while someone moves between places in files.

A visit goes to a place as people do: they open a file, jump inside it, switch to another open one or return. They wait
for a moment, and then type. The rest of the line is missing, as while writing.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter, sleep
from typing import TYPE_CHECKING, Any

from cg2ls.errors import EvaluationError
from cg2ls.evaluation.latency.server_process import READY
from cg2ls.evaluation.lsp_client import LspClient
from cg2ls.evaluation.statistics import percentiles
from cg2ls.machine import read_processor_ms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from cg2ls.evaluation.simulation.sources import SourceFile

KEYS_PER_VISIT = 3

LOOK_S = (0.3, 1.5)
"""Range of the seconds between arriving at a place and the first key there."""

KEY_GAP_S = (0.08, 0.25)
"""Range of the seconds from an answer to the next key."""

MAX_OPEN_FILES = 6

MIN_LINE_CHARS = 12
"""Characters of a line that is written, without its indentation."""

APART_LINES = 40
"""Lines between two places of one file: more than the prompt's text after the anchor."""

KINDS = ("open", "jump", "switch", "return")

Json = dict[str, Any]


@dataclass(frozen=True)
class Visit:
    """One visit.

    Attributes:
        kind: one of `KINDS`.
        source: the file.
        line: number of the line that is written.
    """

    kind: str
    source: SourceFile
    line: int

    @property
    def text(self) -> str:
        """The line that is written."""
        return self.source.text.split("\n")[self.line]

    @property
    def start(self) -> int:
        """Column at which writing begins: after the indentation."""
        return len(self.text) - len(self.text.lstrip())

    def place(self, typed: int) -> tuple[str, int]:
        """Return the file's text and the cursor's offset in it after so many characters of the line."""
        lines = self.source.text.split("\n")
        lines[self.line] = self.text[: self.start + typed]
        return "\n".join(lines), len("\n".join(lines[: self.line + 1]))


@dataclass
class VisitLatency:
    """Latency of visits.

    Attributes:
        first_ms: time from each visit's first key to its answer, by kind of visit.
        later_ms: the same for the keys after it.
        processor_ms: processor time of the server; None where the system does not report it.
        seconds: duration of all visits.
    """

    first_ms: dict[str, list[float]] = field(default_factory=lambda: {kind: [] for kind in KINDS})
    later_ms: list[float] = field(default_factory=list)
    processor_ms: float | None = None
    seconds: float = 0.0

    def to_json(self) -> Json:
        """Return percentiles in milliseconds, and processor seconds per minute."""
        all_first = [each for found in self.first_ms.values() for each in found]
        cuts = (50, 95, 99)
        return {
            "first_ms": {"all": percentiles(all_first, cuts)}
            | {kind: percentiles(found, cuts) for kind, found in self.first_ms.items() if found},
            "later_ms": percentiles(self.later_ms, cuts),
            "visits": len(all_first),
            "processor_s_per_minute": None
            if self.processor_ms is None
            else round(0.06 * self.processor_ms / self.seconds, 2),
        }


def plan_visits(sources: Sequence[SourceFile], count: int, seed: int) -> list[Visit]:
    """Plan visits, the same for the same seed.

    Raises:
        EvaluationError: no file has enough lines to write.
    """
    places = {source.name: lines for source in sources if (lines := _writable_lines(source))}
    usable = [source for source in sources if source.name in places]
    if not usable:
        raise EvaluationError("No file has lines to write; replay longer files.")
    choose = random.Random(f"visits {seed}")
    opened: list[SourceFile] = []
    been: list[Visit] = []
    plan: list[Visit] = []
    for _ in range(count):
        unopened = [source for source in usable if source not in opened]
        kind = choose.choice(KINDS) if opened else "open"
        if kind == "open" and unopened:
            source = choose.choice(unopened)
            opened = [*opened, source][-MAX_OPEN_FILES:]
            line = choose.choice(places[source.name])
        elif kind == "return":
            source, line = (before := choose.choice(been)).source, before.line
        else:
            others = [source for source in opened if source is not been[-1].source]
            kind = "switch" if kind != "jump" and others else "jump"
            source = choose.choice(others) if kind == "switch" else been[-1].source
            line = choose.choice(places[source.name])
        if source not in opened:
            opened = [*opened, source][-MAX_OPEN_FILES:]
        plan.append(Visit(kind, source, line))
        been.append(plan[-1])
    return plan


def _writable_lines(source: SourceFile) -> list[int]:
    """Return numbers of lines to write, far enough apart."""
    found: list[int] = []
    for number, line in enumerate(source.text.split("\n")):
        is_far = not found or number - found[-1] >= APART_LINES
        if is_far and len(line.strip()) >= MIN_LINE_CHARS and line.isascii():
            found.append(number)
    return found


def measure_visits(
    model: Path,
    visits: Sequence[Visit],
    *,
    read_ahead: bool,
    tells_focus: bool = True,
    seed: int = 0,
    command: Sequence[str] | None = None,
    wait: Callable[[float], object] = sleep,
) -> VisitLatency:
    """Make visits at a real server with the default configuration.

    Args:
        model: the model's folder.
        visits: visits to make.
        read_ahead: whether the server may read ahead.
        tells_focus: whether the editor tells where the cursor is; plain clients of LSP do not.
        seed: seed of the gaps.
        command: starts the server; None for the real server.
        wait: waits for some seconds.

    Raises:
        EvaluationError: the server ends or refuses a request.
    """
    command = command or [sys.executable, "-m", "cg2ls", "--stdio", "--model", str(model.absolute())]
    with (
        tempfile.TemporaryDirectory(prefix="cg2ls-visits-") as home,
        _Visitor(command, Path(home)) as visitor,
    ):
        visitor.start(read_ahead=read_ahead)
        visitor.tells_focus = tells_focus
        return visitor.make(visits, random.Random(f"gaps {seed}"), wait)


class _Visitor(LspClient):
    """Editor of the simulated visitor."""

    def __init__(self, command: Sequence[str], home: Path) -> None:
        super().__init__(command, env=os.environ | {"CG2LS_HOME": str(home)}, timeout=300.0)
        self.tells_focus = True
        self._versions: dict[str, int] = {}
        self._home = home

    def start(self, *, read_ahead: bool) -> None:
        """Do the handshake and wait for the model."""
        self.initialize(initializationOptions={} if read_ahead else {"readAheadSeconds": 0})
        self.wait_for("window/logMessage", READY)

    def make(
        self, visits: Sequence[Visit], choose: random.Random, wait: Callable[[float], object]
    ) -> VisitLatency:
        """Make the visits."""
        found = VisitLatency()
        before, began = read_processor_ms(self.process.pid), perf_counter()
        for visit in visits:
            times = list(self._write(visit, choose, wait))
            found.first_ms[visit.kind].append(times[0])
            found.later_ms += times[1:]
        after = read_processor_ms(self.process.pid)
        found.processor_ms = None if before is None or after is None else after - before
        found.seconds = perf_counter() - began
        return found

    def _write(self, visit: Visit, choose: random.Random, wait: Callable[[float], object]) -> Iterator[float]:
        """Go to a place and write the beginning of its line; yield the milliseconds of each key's answer."""
        uri = (self._home / "code" / visit.source.name).as_uri()
        line, start = visit.text, visit.start
        if uri not in self._versions:
            self._versions[uri] = 1
            self.open(uri, visit.source.text, visit.source.language)
        self._replace(uri, visit.line, start, MAX_COLUMN, "")
        position = {"line": visit.line, "character": start}
        if self.tells_focus:
            self.notify("textDocument/didFocus", {"textDocument": {"uri": uri}, "position": position})
        wait(choose.uniform(*LOOK_S))
        for column in range(start, start + KEYS_PER_VISIT):
            began = perf_counter()
            self._replace(uri, visit.line, column, column, line[column])
            self.inline(uri, visit.line, column + 1)
            yield 1e3 * (perf_counter() - began)
            wait(choose.uniform(*KEY_GAP_S))
        self._replace(uri, visit.line, 0, MAX_COLUMN, line)

    def _replace(self, uri: str, line: int, start: int, end: int, text: str) -> None:
        self._versions[uri] += 1
        span = {"start": {"line": line, "character": start}, "end": {"line": line, "character": end}}
        self.change(uri, self._versions[uri], {"range": span, "text": text})


MAX_COLUMN = 2**31 - 1
"""A column past every line's end, which counts as its end."""
