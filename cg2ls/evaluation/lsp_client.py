"""LSP client over a server process's stdin and stdout, for measurements, the demo and the tests.

It shares no code with the server, so it reads the same messages as an editor.
"""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import IO, TYPE_CHECKING, Any, Self

from cg2ls.errors import EvaluationError

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

Json = dict[str, Any]

INLINE: Json = {"textDocument": {"inlineCompletion": {"dynamicRegistration": False}}}
"""Capabilities of a client that shows ghost text."""


class ServerGoneError(EvaluationError):
    """The server closed its input or output."""


class ResponseError(EvaluationError):
    """The server answered a request with an error; `code` is its number."""

    def __init__(self, error: Json) -> None:
        super().__init__(error["message"])
        self.code = int(error["code"])


@dataclass(kw_only=True)
class ServerProcess:
    """Server process that exchanges framed JSON messages with this process.

    Attributes:
        command: the server's command line.
        timeout: seconds to wait for any message. None waits without a limit and starts no thread, which adds no
            time to measurements.
        env: the server's environment; None for this process's.
        folder: the server's working directory; None for this process's.
        stderr: target of the server's stderr, as for `subprocess.Popen`.
    """

    command: Sequence[str]
    timeout: float | None = 60.0
    env: Mapping[str, str] | None = None
    folder: Path | None = None
    stderr: int = subprocess.PIPE

    def __post_init__(self) -> None:
        self.process = subprocess.Popen(
            self.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.stderr,
            env=self.env,
            cwd=self.folder,
        )
        assert self.process.stdout is not None
        self._messages = read_messages(self.process.stdout)
        self._incoming: SimpleQueue[Json | None] = SimpleQueue()
        self._reader = threading.Thread(target=self._read_all, daemon=True)
        if self.timeout is not None:
            self._reader.start()

    def send_message(self, message: Any) -> None:
        """Send anything that is JSON.

        Raises:
            OSError: the server closed its input.
        """
        self.send_bytes(json.dumps(message).encode())

    def send_bytes(self, body: bytes) -> None:
        """Send the body of a message, JSON or not.

        Raises:
            OSError: the server closed its input.
        """
        assert self.process.stdin is not None
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self.process.stdin.flush()

    def next_message(self) -> Json | None:
        """Wait for the next message; None after the last.

        Raises:
            queue.Empty: no message came in time.
        """
        if self.timeout is None:
            return next(self._messages, None)
        return self._incoming.get(timeout=self.timeout)

    def _read_all(self) -> None:
        for message in self._messages:
            self._incoming.put(message)
        self._incoming.put(None)


@dataclass
class LspClient(ServerProcess):
    """Client that sends requests and answers the server's own requests.

    Attributes:
        notifications: notifications of the server, in order; `(method, params)`.
        replies: answers to the server's own requests, by method; others get null. A reply that raises
            `ResponseError` is an error.
        unanswered: methods of the server's own requests that get no answer at all.
    """

    command: Sequence[str]
    notifications: list[tuple[str, Any]] = field(default_factory=list)
    replies: dict[str, Callable[[Any], Any]] = field(default_factory=dict)
    unanswered: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._last_id = 0
        self._answers: dict[int, Json] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.communicate()

    def send(self, method: str, params: Any) -> int:
        """Send a request without waiting; return its id for `wait`."""
        self._last_id += 1
        self._send({"id": self._last_id, "method": method, "params": params})
        return self._last_id

    def notify(self, method: str, params: Any) -> None:
        """Send a notification."""
        self._send({"method": method, "params": params})

    def wait(self, request: int) -> Any:
        """Wait for the result of a request.

        Raises:
            ResponseError: the answer is an error.
            ServerGoneError: the server closed its output.
            queue.Empty: no answer came in time.
        """
        while request not in self._answers:
            self.receive()
        answer = self._answers.pop(request)
        if "error" in answer:
            raise ResponseError(answer["error"])
        return answer["result"]

    def request(self, method: str, params: Any) -> Any:
        """Send a request and wait for its result; raise as `wait` does."""
        return self.wait(self.send(method, params))

    def wait_for(self, method: str, containing: str = "") -> Any:
        """Return the params of the first notification of a method with a text; earlier notifications count."""
        seen = 0
        while True:
            for name, params in self.notifications[seen:]:
                if name == method and containing in json.dumps(params):
                    return params
            seen = len(self.notifications)
            self.receive()

    def initialize(self, capabilities: Json = INLINE, **more: Any) -> Json:
        """Do the handshake; return the result of `initialize`."""
        params = {"processId": None, "rootUri": None, "capabilities": capabilities, **more}
        result: Json = self.request("initialize", params)
        self.notify("initialized", {})
        return result

    def open(self, uri: str, text: str, language: str = "python") -> None:
        """Open a document."""
        item = {"uri": uri, "languageId": language, "version": 1, "text": text}
        self.notify("textDocument/didOpen", {"textDocument": item})

    def change(self, uri: str, version: int, *changes: Json) -> None:
        """Edit a document."""
        params = {"textDocument": {"uri": uri, "version": version}, "contentChanges": list(changes)}
        self.notify("textDocument/didChange", params)

    def send_inline(self, uri: str, line: int, character: int, trigger: int = 2, **context: Any) -> int:
        """Request ghost text without waiting."""
        params = {
            "textDocument": {"uri": uri},
            "position": {"line": line, "character": character},
            "context": {"triggerKind": trigger, **context},
        }
        return self.send("textDocument/inlineCompletion", params)

    def inline(self, uri: str, line: int, character: int, trigger: int = 2, **context: Any) -> Any:
        """Request ghost text and wait."""
        return self.wait(self.send_inline(uri, line, character, trigger, **context))

    def leave(self, *, shutdown: bool = True) -> int:
        """End the session; return the server's exit status."""
        if shutdown:
            self.request("shutdown", None)
        self.notify("exit", None)
        return self.process.wait(self.timeout)

    def receive(self) -> None:
        """Receive one message and answer it if it is a request of the server.

        Raises:
            ServerGoneError: the server closed its output.
            queue.Empty: no message came in time.
        """
        message = self.next_message()
        if message is None:
            raise ServerGoneError("The server closed its output; `cg2ls doctor` looks for the cause.")
        if "method" not in message:
            self._answers[message["id"]] = message
        elif "id" in message:
            self._answer(message)
        else:
            self.notifications.append((message["method"], message.get("params")))

    def _answer(self, message: Json) -> None:
        """Answer a request of the server, unless its method stays unanswered."""
        if message["method"] in self.unanswered:
            return
        reply = self.replies.get(message["method"])
        try:
            result = reply(message.get("params")) if reply else None
            self._send({"id": message["id"], "result": result})
        except ResponseError as error:
            self._send({"id": message["id"], "error": {"code": error.code, "message": str(error)}})

    def _send(self, message: Json) -> None:
        self.send_message({"jsonrpc": "2.0", **message})


def read_messages(stream: IO[bytes]) -> Iterator[Json]:
    """Yield the messages of a stream until it ends, also in the middle of one."""
    while header := stream.readline():
        length = 0
        while header.strip():
            name, _, value = header.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
            header = stream.readline()
        body = stream.read(length)
        if len(body) < length:
            return
        yield json.loads(body)
