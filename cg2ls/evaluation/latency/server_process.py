"""What the server adds to the engine: time for each key, and memory over a long session."""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import IO, TYPE_CHECKING, Any

from cg2ls.evaluation.errors import BenchError
from cg2ls.evaluation.lsp_editor import Editor

if TYPE_CHECKING:
    from cg2ls.evaluation.runtimes.worker_protocol import Json

KEYS = "    total = compute_something(first, second"
"""What is typed, again and again."""

FUNCTION = 16
"""Lines of each function in the file it is typed into, the blank one behind it included."""

WARM_UP = 20
"""Keys that are not measured."""

SETTLE_S = 2.0
"""Seconds of typing that are not measured either: a long file is read once in the background when it is opened."""

SAMPLES = 80
"""Readings of the resident memory in one session."""


@dataclass(frozen=True)
class Overhead:
    """Milliseconds of one key: the edit and the request sent, until the answer is read.

    The engine takes no time in this, and the editor's own share is in it.

    Attributes:
        lines: of the document.
        keys: measured.
        p50_ms: median.
        p95_ms: 95 of 100 keys took no longer.
        p99_ms: 99 of 100.
        protocol_p50_ms: the median round trip of a request that does nothing, for comparison.
        processor_ms: the server's processor time, all its threads', for one key and one such request, on
            average; None where the system does not tell. Other work on the machine does not change it much.
    """

    lines: int
    keys: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    protocol_p50_ms: float
    processor_ms: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {name: None if value is None else round(value, 3) for name, value in asdict(self).items()}


@dataclass(frozen=True)
class Memory:
    """Resident memory of the server over a session, in 10^6 bytes.

    Attributes:
        documents: open all the time.
        edits: in all, each followed by a request.
        second_quarter_mb: median over the session's second quarter.
        last_quarter_mb: median over its last.
    """

    documents: int
    edits: int
    second_quarter_mb: float
    last_quarter_mb: float

    @property
    def ratio(self) -> float:
        """Of the last quarter to the second."""
        return self.last_quarter_mb / self.second_quarter_mb

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {name: round(value, 3) for name, value in (asdict(self) | {"ratio": self.ratio}).items()}


def measure_overhead(folder: Path, *, lines: int = 20_000, keys: int = 400) -> Overhead:
    """Types in the middle of a long file.

    Args:
        folder: of the model whose tokenizer is used.
        lines: of the file.
        keys: to measure, after some to warm up.

    Raises:
        BenchError: the server ends or refuses.
    """
    times: list[float] = []
    plain: list[float] = []
    with _editor(folder) as editor:
        editor.open("file:///long.py", _file(lines))
        opened = perf_counter()
        number = 0
        before: float | None = None
        while len(times) < keys:
            if not times:
                before = processor_ms(editor.process.pid)
            began = perf_counter()
            _type(editor, "file:///long.py", number, lines // 2)
            took = 1e3 * (perf_counter() - began)
            asked = perf_counter()
            editor.ask("cg2ls/status", {})
            number += 1
            if number > WARM_UP and asked > opened + SETTLE_S:
                times.append(took)
                plain.append(1e3 * (perf_counter() - asked))
        after = processor_ms(editor.process.pid)
    spent = None if before is None or after is None else (after - before) / keys
    cuts = statistics.quantiles(times, n=100)
    return Overhead(lines, keys, cuts[49], cuts[94], cuts[98], statistics.median(plain), spent)


def measure_memory(folder: Path, *, documents: int = 50, edits: int = 10_000, lines: int = 400) -> Memory:
    """Edits many open documents in turn for a long time.

    Args:
        folder: of the model whose tokenizer is used.
        documents: open at once.
        edits: in all.
        lines: of each document.

    Raises:
        BenchError: the server ends or refuses, or the system does not tell its memory.
    """
    readings = []
    with _editor(folder) as editor:
        uris = [f"file:///{number}.py" for number in range(documents)]
        for uri in uris:
            editor.open(uri, _file(lines))
        for number in range(edits):
            turn, which = divmod(number, documents)
            _type(editor, uris[which], turn, lines // 2)
            if number * SAMPLES // edits != (number - 1) * SAMPLES // edits:
                readings.append(_resident(editor))
    quarter = len(readings) // 4
    return Memory(
        documents,
        edits,
        statistics.median(readings[quarter : 2 * quarter]),
        statistics.median(readings[3 * quarter :]),
    )


def _editor(folder: Path) -> Editor:
    editor = Editor(["-m", "cg2ls.evaluation.stub_server", str(folder)])
    editor.begin()
    return editor


def _type(editor: Editor, uri: str, number: int, line: int) -> None:
    """One key, and the request that follows; a line that is full is emptied first."""
    column = number % len(KEYS)
    if number and not column:
        editor.insert(uri, 2 * number + 1, line, 0, "", over=len(KEYS))
    editor.insert(uri, 2 * number + 2, line, column, KEYS[column])
    editor.complete(uri, line, column + 1)


def _file(lines: int) -> str:
    """A Python file of small functions, whose middle line is empty, inside of a function's body."""
    body = []
    for number in range(lines):
        within = (number - lines // 2 + FUNCTION // 2) % FUNCTION
        name = f"prepare_{number // FUNCTION}(first, second)"
        line = f"    value_{within} = first.prepare(value_{within // 2}, {number})"
        body.append(f"def {name}:" if within == 0 else "" if within == FUNCTION - 1 else line)
    body[lines // 2] = ""
    return "\n".join(body)


def _resident(editor: Editor) -> float:
    found = resident_mb(editor.process.pid)
    if found is None:
        raise BenchError("This system does not tell how much memory a process has.")
    return found


STARTS = 3
READY = " is ready."
"""How the server's message to the client's log ends once the model is open."""


@dataclass(frozen=True, slots=True)
class Start:
    """One server after its start.

    Attributes:
        start_ms: from starting the process to the message that the model is ready; median of some starts.
        memory_mb: resident memory then, in 10^6 bytes; None where the system does not tell.
    """

    start_ms: float
    memory_mb: float | None


def measure_start(folder: Path, starts: int = STARTS) -> Start:
    """Starts the server as an editor does.

    Args:
        folder: of the model.
        starts: how often.

    Raises:
        BenchError: the server does not get ready.
    """
    found = [_start(folder) for _ in range(starts)]
    return Start(statistics.median(start.start_ms for start in found), found[-1].memory_mb)


def _start(folder: Path) -> Start:
    command = [sys.executable, "-m", "cg2ls", "--stdio", "--model", str(folder.absolute())]
    began = perf_counter()
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(
            _framed(
                {
                    "id": 1,
                    "method": "initialize",
                    "params": {"processId": None, "rootUri": None, "capabilities": {}},
                }
            )
            + _framed({"method": "initialized", "params": {}})
        )
        process.stdin.flush()
        while not _says_ready(_message(process.stdout)):
            pass
        return Start(1e3 * (perf_counter() - began), resident_mb(process.pid))
    except OSError:
        raise BenchError("The server ended while it started; `cg2ls doctor` looks for the cause.") from None
    finally:
        process.kill()
        process.communicate()


def _says_ready(message: Json) -> bool:
    """Whether the model is open.

    Raises:
        BenchError: the server shows an error instead.
    """
    text = str((message.get("params") or {}).get("message", ""))
    if message.get("method") == "window/showMessage":
        raise BenchError(f"The server did not get ready ({text}).")
    return message.get("method") == "window/logMessage" and text.endswith(READY)


def _framed(message: Json) -> bytes:
    body = json.dumps({"jsonrpc": "2.0", **message}).encode()
    return b"Content-Length: %d\r\n\r\n%s" % (len(body), body)


def _message(stream: IO[bytes]) -> Json:
    length = 0
    while (line := stream.readline()).strip():
        found = re.match(rb"(?i)content-length: *(\d+)", line)
        length = int(found[1]) if found else length
    if not line:
        raise BenchError("The server ended while it started; `cg2ls doctor` looks for the cause.")
    message: Json = json.loads(stream.read(length))
    return message


def processor_ms(pid: int) -> float | None:
    """Processor time a process has taken, in milliseconds; None where the system does not tell."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks = int(fields[11]) + int(fields[12])  # of user and system, proc_pid_stat(5)
        return 1e3 * ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError):
        return None


def resident_mb(pid: int) -> float | None:
    """Resident memory of a process, in 10^6 bytes; None where /proc does not say."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except OSError:
        return None
    found = re.search(r"VmRSS:\s*(\d+) kB", status)
    return int(found[1]) * 1024 / 1e6 if found else None
