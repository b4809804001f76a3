"""How long the server takes from its start to a ready model, and the memory it then holds."""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import IO, TYPE_CHECKING

from cg2ls.evaluation.errors import BenchError

if TYPE_CHECKING:
    from cg2ls.evaluation.runtimes.worker_protocol import Json

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
