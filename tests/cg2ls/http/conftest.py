"""Processes that serve HTTP, and a client that sends what a test wants."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cg2ls.evaluation.lsp_client import read_messages

ROOT = Path(__file__).parents[3]
TIMEOUT_S = 120
JSON = {"Content-Type": "application/json"}


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def events(self) -> list[Any]:
        """Server-sent events as clients read them; `[DONE]` stays text."""
        texts = [part.removeprefix("data: ") for part in self.body.decode().split("\n\n") if part]
        return [text if text == "[DONE]" else json.loads(text) for text in texts]

    @property
    def message(self) -> str:
        return str(self.json["error"]["message"])


class HttpServer:
    """A process that serves HTTP.

    Attributes:
        lines: lines of its stderr so far.
        token: the token that it requires; "" if none.
    """

    def __init__(self, command: list[str], env: dict[str, str], **more: Any) -> None:
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=env, stderr=subprocess.PIPE, text=True, encoding="utf-8", **more
        )
        self.lines: list[str] = []
        self._more = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()
        said = self.wait_for("HTTP on")
        port = re.search(r"127\.0\.0\.1:(\d+)", said)
        path = re.search(r"token is in (.*)\.$", said)
        assert port
        self.port = int(port[1])
        self.token_file = Path(path[1]) if path else None
        self.token = self.token_file.read_text().strip() if self.token_file else ""

    def _read(self) -> None:
        assert self.process.stderr
        for line in self.process.stderr:
            with self._more:
                self.lines.append(line.rstrip("\n"))
                self._more.notify_all()

    def wait_for(self, text: str, count: int = 1) -> str:
        """Wait for the `count`th line with a text; lines that were printed before count."""
        with self._more:
            found: list[str] = []
            deadline = time.monotonic() + TIMEOUT_S
            while len(found := [line for line in self.lines if text in line]) < count:
                left = deadline - time.monotonic()
                assert left > 0, self.lines
                assert self.process.poll() in (None, 0), self.lines
                self._more.wait(min(left, 0.5))
            return found[count - 1]

    @property
    def authorization(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> Reply:
        """Send a request with exactly these headers, besides Host and the length."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_S)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            names = {name.lower(): value for name, value in answer.getheaders()}
            return Reply(answer.status, names, answer.read())
        finally:
            connection.close()

    def get(self, path: str) -> Reply:
        return self.ask("GET", path, headers=self.authorization)

    def post(self, path: str, value: Any) -> Reply:
        return self.ask("POST", path, json.dumps(value).encode(), JSON | self.authorization)

    def send(self, path: str, value: Any) -> socket.socket:
        """Send a request without reading the answer."""
        body = json.dumps(value).encode()
        head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nContent-Type: application/json\r\n"
        head += "".join(f"{name}: {text}\r\n" for name, text in self.authorization.items())
        head += f"Content-Length: {len(body)}\r\n\r\n"
        connection = socket.create_connection(("127.0.0.1", self.port), TIMEOUT_S)
        connection.sendall(head.encode() + body)
        return connection

    def end(self) -> int:
        """Ask the process to end; return its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(TIMEOUT_S)


Launch = Callable[..., HttpServer]


@pytest.fixture(scope="session")
def _launch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launch]:
    started: list[HttpServer] = []

    def launch(*words: object, **more: Any) -> HttpServer:
        home = tmp_path_factory.mktemp("http")
        env = os.environ | {"XDG_STATE_HOME": str(home / "state"), "XDG_CACHE_HOME": str(home / "cache")}
        started.append(HttpServer([sys.executable, *map(str, words)], env, **more))
        return started[-1]

    yield launch
    for each in started:
        each.process.kill()
        each.process.wait()


@pytest.fixture
def serve_http(_launch: Launch) -> Launch:
    """Starts a command that serves HTTP, with a separate state folder, and ends it with the tests."""
    return _launch


@pytest.fixture
def fresh_http(_launch: Launch) -> HttpServer:
    """A server whose engine decodes forever, unless the document names another answer; for one test only."""
    server = _launch("-m", "tests.cg2ls.http.slow_http_server", 0)
    server.wait_for("is ready")
    return server


@pytest.fixture(scope="session")
def _shared(_launch: Launch) -> HttpServer:
    server = _launch("-m", "tests.cg2ls.http.slow_http_server", 0)
    server.wait_for("is ready")
    return server


@pytest.fixture
def slow_http(_shared: HttpServer) -> HttpServer:
    """A server like `fresh_http`, shared by tests; its lines are those since the test began."""
    _shared.lines.clear()
    return _shared


@pytest.fixture
def lsp_lines() -> Callable[[HttpServer], Callable[..., Any]]:
    """Speaks LSP to a server that serves an editor too; returns a function that sends and waits."""

    def speak(server: HttpServer) -> Callable[..., Any]:
        stdin, stdout = server.process.stdin, server.process.stdout
        assert stdin
        assert stdout
        messages = read_messages(stdout.buffer)  # type: ignore[attr-defined]

        def request(method: str, params: Any, identity: int | None = 1) -> Any:
            message = {"jsonrpc": "2.0", "method": method, "params": params}
            body = json.dumps(message if identity is None else {**message, "id": identity})
            stdin.write(f"Content-Length: {len(body)}\r\n\r\n{body}")
            stdin.flush()
            while identity is not None:
                answer = next(messages)
                if answer.get("id") == identity and "method" not in answer:
                    return answer["result"]
            return None

        return request

    return speak
