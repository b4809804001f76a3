"""Costs of the server process: its start, its own time for a key, and its memory over a long session."""

from __future__ import annotations

import statistics
import subprocess
import sys
from dataclasses import asdict, dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any

from cg2ls.errors import EvaluationError
from cg2ls.evaluation.lsp_client import LspClient, ResponseError, ServerGoneError
from cg2ls.machine import read_processor_ms, read_resident_mb

if TYPE_CHECKING:
    from pathlib import Path

STARTS = 3
READY = " is ready."
"""End of the message that the server logs at the client once the model is open."""

TYPED_LINE = "    total = compute_something(first, second"
"""The line that is typed repeatedly."""

FUNCTION_LINES = 16
"""Lines of each function in the file that is edited, the blank line after it included."""

WARM_UP_KEYS = 20
"""Keys at the start that are not measured."""

URI = "file:///project/module.py"

FIRST_TEXT = "import os\n\n\ndef read(path):\n    with open(path) as file:\n        return file.re"
"""The document that is opened at a start; the first key was typed at its end."""

SETTLE_S = 2.0
"""Seconds of typing that are not measured: the server reads a long file once in the background after it opens."""

MEMORY_SAMPLES = 80
"""Readings of the resident memory in one session."""


@dataclass(frozen=True, slots=True)
class ServerStart:
    """Time and memory of one server start.

    Attributes:
        start_ms: time from the process's start to the message that the model is ready; median of some starts.
        memory_mb: resident memory then, in 10^6 bytes; None where the system does not report it.
        first_answer_ms: time from the process's start to the answer to the first key; median.
        processor_ms: processor time of the process until then, which other work changes little; median. None where the
            system does not report it.
    """

    start_ms: float
    memory_mb: float | None
    first_answer_ms: float
    processor_ms: float | None


@dataclass(frozen=True)
class ServerOverhead:
    """Milliseconds from sending an edit and a request until the answer is read.

    The engine takes no time in it. The client's share is included.

    Attributes:
        lines: lines of the document.
        keys: keys measured.
        p50_ms: median.
        p95_ms: 95th percentile.
        p99_ms: 99th percentile.
        protocol_p50_ms: median round trip of a request that does nothing, for comparison.
        processor_ms: mean processor time of all the server's threads for one key and one such request. None where
            the system does not report it. Other work on the machine changes it little.
    """

    lines: int
    keys: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    protocol_p50_ms: float
    processor_ms: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {name: None if value is None else round(value, 3) for name, value in asdict(self).items()}


@dataclass(frozen=True)
class SessionMemory:
    """Resident memory of the server over a session, in 10^6 bytes.

    Attributes:
        documents: documents that are open all the time.
        edits: edits in all, each followed by a request.
        second_quarter_mb: median over the session's second quarter.
        last_quarter_mb: median over its last quarter.
    """

    documents: int
    edits: int
    second_quarter_mb: float
    last_quarter_mb: float

    @property
    def ratio(self) -> float:
        """Last quarter divided by second quarter."""
        return self.last_quarter_mb / self.second_quarter_mb

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {name: round(value, 3) for name, value in (asdict(self) | {"ratio": self.ratio}).items()}


def measure_start(folder: Path, starts: int = STARTS) -> ServerStart:
    """Start the server as an editor does and wait until its model is ready.

    Args:
        folder: the model's folder.
        starts: number of starts.

    Raises:
        EvaluationError: the server does not become ready.
    """
    found = [_start_once(folder) for _ in range(starts)]
    times = [start.processor_ms for start in found if start.processor_ms is not None]
    return ServerStart(
        statistics.median(start.start_ms for start in found),
        found[-1].memory_mb,
        statistics.median(start.first_answer_ms for start in found),
        statistics.median(times) if times else None,
    )


def _start_once(folder: Path) -> ServerStart:
    command = [sys.executable, "-m", "cg2ls", "--stdio", "--model", str(folder.absolute())]
    began = perf_counter()
    with _start_client(command) as client:
        try:
            client.initialize(capabilities={})
            client.open(URI, FIRST_TEXT)
            while not _is_ready(client):
                client.receive()
            start_ms, memory_mb = 1e3 * (perf_counter() - began), read_resident_mb(client.process.pid)
            client.inline(URI, FIRST_TEXT.count("\n"), len(FIRST_TEXT.rpartition("\n")[2]))
            first_answer_ms = 1e3 * (perf_counter() - began)
        except OSError:
            raise ServerGoneError(
                "The server ended while it started; `cg2ls doctor` looks for the cause."
            ) from None
        return ServerStart(start_ms, memory_mb, first_answer_ms, read_processor_ms(client.process.pid))


def _is_ready(client: LspClient) -> bool:
    """Return whether the server has logged that the model is open.

    Raises:
        EvaluationError: the server shows an error instead.
    """
    for method, params in client.notifications:
        text = str((params or {}).get("message", ""))
        if method == "window/showMessage":
            raise EvaluationError(f"The server did not get ready ({text}).")
        if method == "window/logMessage" and READY in text:
            return True
    return False


def measure_overhead(folder: Path, *, lines: int = 20_000, keys: int = 400) -> ServerOverhead:
    """Type in the middle of a long file and time every key.

    Args:
        folder: the folder of the model whose tokenizer is used.
        lines: lines of the file.
        keys: keys to measure, after some to warm up.

    Raises:
        EvaluationError: the server ends or refuses a request.
    """
    key_ms: list[float] = []
    protocol_ms: list[float] = []
    with _Typing(folder) as typing:
        typing.open("file:///long.py", lines)
        opened = perf_counter()
        number = 0
        before: float | None = None
        while len(key_ms) < keys:
            if not key_ms:
                before = read_processor_ms(typing.pid)
            began = perf_counter()
            typing.press_key("file:///long.py", number, lines // 2)
            took_ms = 1e3 * (perf_counter() - began)
            asked = perf_counter()
            typing.request_nothing()
            number += 1
            if number > WARM_UP_KEYS and asked > opened + SETTLE_S:
                key_ms.append(took_ms)
                protocol_ms.append(1e3 * (perf_counter() - asked))
        after = read_processor_ms(typing.pid)
    processor_ms = None if before is None or after is None else (after - before) / keys
    cuts = statistics.quantiles(key_ms, n=100)
    return ServerOverhead(
        lines, keys, cuts[49], cuts[94], cuts[98], statistics.median(protocol_ms), processor_ms
    )


def measure_session_memory(
    folder: Path, *, documents: int = 50, edits: int = 10_000, lines: int = 400
) -> SessionMemory:
    """Edit many open documents in turn for a long time and watch the server's memory.

    Args:
        folder: the folder of the model whose tokenizer is used.
        documents: documents that are open at once.
        edits: edits in all.
        lines: lines of each document.

    Raises:
        EvaluationError: the server ends or refuses a request, or the system does not report its memory.
    """
    readings_mb = []
    with _Typing(folder) as typing:
        uris = [f"file:///{number}.py" for number in range(documents)]
        for uri in uris:
            typing.open(uri, lines)
        for number in range(edits):
            turn, document = divmod(number, documents)
            typing.press_key(uris[document], turn, lines // 2)
            if number * MEMORY_SAMPLES // edits != (number - 1) * MEMORY_SAMPLES // edits:
                readings_mb.append(_require_resident_mb(typing.pid))
    quarter = len(readings_mb) // 4
    return SessionMemory(
        documents,
        edits,
        statistics.median(readings_mb[quarter : 2 * quarter]),
        statistics.median(readings_mb[3 * quarter :]),
    )


class _Typing:
    """Typing at the stub server; problems of the server become errors of the measurement."""

    def __init__(self, folder: Path) -> None:
        self._client = _start_client([sys.executable, "-m", "cg2ls.evaluation.stub_server", str(folder)])
        self.pid = self._client.process.pid

    def __enter__(self) -> _Typing:
        try:
            self._client.initialize()
            while self.request_nothing()["state"] != "ready":
                pass
        except BaseException as error:
            self.__exit__(type(error), error, None)
            raise
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._client.__exit__(None, None, None)
        if isinstance(error, OSError):
            raise ServerGoneError(
                "The server ended while it was measured; `cg2ls doctor` looks for the cause."
            ) from None
        if isinstance(error, ResponseError):
            raise EvaluationError(f"The server refused a request ({error}).") from None

    def open(self, uri: str, lines: int) -> None:
        self._client.open(uri, _make_module(lines))

    def request_nothing(self) -> Any:
        """Send a request that does nothing and return its result."""
        return self._client.request("cg2ls/status", {})

    def press_key(self, uri: str, number: int, line: int) -> None:
        """Type one key and request a completion; a complete line is emptied first."""
        column = number % len(TYPED_LINE)
        if number and not column:
            self._replace(uri, 2 * number + 1, line, (0, len(TYPED_LINE)), "")
        self._replace(uri, 2 * number + 2, line, (column, column), TYPED_LINE[column])
        self._client.inline(uri, line, column + 1)

    def _replace(self, uri: str, version: int, line: int, columns: tuple[int, int], text: str) -> None:
        start, end = ({"line": line, "character": column} for column in columns)
        self._client.change(uri, version, {"range": {"start": start, "end": end}, "text": text})


def _start_client(command: list[str]) -> LspClient:
    """Start a server with a client that adds as little time as possible."""
    return LspClient(command, timeout=None, stderr=subprocess.DEVNULL)


def _make_module(lines: int) -> str:
    """Return a Python file of small functions, whose middle line is empty and in a function's body."""
    body = []
    for number in range(lines):
        within = (number - lines // 2 + FUNCTION_LINES // 2) % FUNCTION_LINES
        name = f"prepare_{number // FUNCTION_LINES}(first, second)"
        line = f"    value_{within} = first.prepare(value_{within // 2}, {number})"
        body.append(f"def {name}:" if within == 0 else "" if within == FUNCTION_LINES - 1 else line)
    body[lines // 2] = ""
    return "\n".join(body)


def _require_resident_mb(pid: int) -> float:
    found = read_resident_mb(pid)
    if found is None:
        raise EvaluationError("This system does not report how much memory a process has.")
    return found
