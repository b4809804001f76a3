"""Measure the time that HTTP adds to completion: time from request to answer, without the time inside of completion.

python tools/http_overhead.py [--requests 300] [--model NAME_OR_FOLDER]

A real `cg2ls serve --http` answers one client over one connection, with its default model. Every request is another
place of this file. The server reports its own time in the header Server-Timing.
"""

from __future__ import annotations

import argparse
import http.client
import json
import re
import subprocess
import sys
import time
from pathlib import Path

from cg2ls.evaluation.statistics import percentiles

TEXT = Path(__file__).read_text("utf-8")
WARM_UP = 10


def main() -> int:
    """Start the server, send requests, and print the percentiles."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--requests", type=int, default=300, metavar="N")
    parser.add_argument("--model", metavar="NAME_OR_FOLDER")
    arguments = parser.parse_args()
    command = [sys.executable, "-m", "cg2ls", "serve", "--http", "0", "--no-token"]
    command += ["--model", arguments.model] if arguments.model else []
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stderr is not None
            port = 0
            for line in server.stderr:
                if found := re.search(r"127\.0\.0\.1:(\d+)", line):
                    port = int(found[1])
                if "is ready" in line:
                    break
            inside, added, processor_ms = _ask(port, arguments.requests, server.pid)
        finally:
            server.terminate()
    print(f"{len(added)} requests, milliseconds        p50     p95     p99")
    for name, times in (("inside of completion", inside), ("added by HTTP", added)):
        found_at = percentiles(times, (50, 95, 99))
        print(f"{name:28}{found_at['p50']:8.2f}{found_at['p95']:8.2f}{found_at['p99']:8.2f}")
    if processor_ms is not None:
        print(f"{'processor, event loop':28}{processor_ms:8.2f}  mean of one request")
    return 0


def _processor_ms(process: int) -> float | None:
    """Return how long the main thread of a process ran, in milliseconds; None where Linux does not tell."""
    try:
        return int(Path(f"/proc/{process}/task/{process}/schedstat").read_text().split()[0]) / 1e6
    except OSError:
        return None


def _ask(port: int, count: int, process: int) -> tuple[list[float], list[float], float | None]:
    """Ask, and return milliseconds for the requests after the first ones.

    Returns:
        Time inside completion, time outside of it, and the mean time that the event loop's thread computed.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port)
    inside, added = [], []
    began_ms = None
    for number in range(WARM_UP + count):
        if number == WARM_UP:
            began_ms = _processor_ms(process)
        at = 400 + number * 7 % (len(TEXT) - 500)
        body = json.dumps({"input_prefix": TEXT[:at], "input_suffix": TEXT[at:], "n_predict": 16})
        began = time.perf_counter()
        connection.request("POST", "/infill", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        took_ms = (time.perf_counter() - began) * 1000
        reported = re.search(r"dur=([\d.]+)", answer.headers.get("Server-Timing", ""))
        assert answer.status == 200
        assert reported
        if number >= WARM_UP:
            inside.append(float(reported[1]))
            added.append(took_ms - inside[-1])
    ended_ms = _processor_ms(process)
    has_both = began_ms is not None and ended_ms is not None
    return inside, added, (ended_ms - began_ms) / count if has_both else None


if __name__ == "__main__":
    sys.exit(main())
