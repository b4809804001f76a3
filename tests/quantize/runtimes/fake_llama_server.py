"""A server with llama.cpp's requests: the likeliest token is the sum of all, modulo 16; it generates five at most."""

from __future__ import annotations

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

FIRST_MS, TOKEN_MS = 2.0, 0.5
MOST = 5


class Handler(BaseHTTPRequestHandler):
    """One conversation, whose prompt stays in the cache."""

    protocol_version = "HTTP/1.1"
    cached: ClassVar[list[int]] = []

    def do_GET(self) -> None:
        self._send(200, {"status": "ok"})

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        prompt, count = asked["prompt"], min(asked["n_predict"], MOST)
        if min(prompt) < 0:
            self._send(400, {"error": {"code": 400, "message": "Prompt contains invalid tokens"}})
            return
        same = 0
        while (
            asked["cache_prompt"]
            and same < len(prompt) - 1
            and self.cached[same : same + 1] == [prompt[same]]
        ):
            same += 1
        known = list(prompt)
        for _ in range(count):
            known.append(sum(known) % 16)
        Handler.cached = known
        timings = {
            "prompt_ms": FIRST_MS * (len(prompt) - same),
            "predicted_ms": TOKEN_MS * (count - 1),
        }
        self._send(200, {"tokens": known[len(prompt) :], "timings": timings})

    def log_message(self, *_: object) -> None:
        """Print nothing."""

    def _send(self, status: int, body: object) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def main() -> None:
    """Serve as the program does, with its options."""
    if "--version" in sys.argv:
        print("version: 42 (fake)", file=sys.stderr)
        return
    options = dict(zip(sys.argv[1::2], sys.argv[2::2], strict=True))
    Path(options["-m"]).with_name("arguments").write_text(" ".join(sys.argv[1:]))
    ThreadingHTTPServer((options["--host"], int(options["--port"])), Handler).serve_forever()
