"""A small LSP client over a subprocess's stdin and stdout, for the demo and the tests.

It shares no code with the server: what it reads is what an editor reads.
"""

from __future__ import annotations

import json
import queue
import subprocess
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

Json = dict[str, Any]

INLINE: Json = {"textDocument": {"inlineCompletion": {"dynamicRegistration": False}}}
"""Capabilities of a client that shows ghost text."""


class ServerGoneError(Exception):
    """The server closed its stdout."""


class ResponseError(Exception):
    """The server answered a request with an error; `code` is its number."""

    def __init__(self, error: Json) -> None:
        super().__init__(error["message"])
        self.code = int(error["code"])


@dataclass
class LspClient:
    """One server process and the conversation with it.

    Attributes:
        command: the server's command line.
        timeout: seconds to wait for any answer.
        notifications: what the server sent by itself, in order; `(method, params)`.
        replies: how the server's own requests are answered, by method; others get null. A reply that raises
            `ResponseError` is an error.
        unanswered: methods of the server's own requests that get no answer at all.
    """

    command: Sequence[str]
    timeout: float = 60.0
    env: dict[str, str] | None = None
    notifications: list[tuple[str, Any]] = field(default_factory=list)
    replies: dict[str, Callable[[Any], Any]] = field(default_factory=dict)
    unanswered: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.env
        )
        self._last_id = 0
        self._answers: dict[int, Json] = {}
        self._incoming: queue.Queue[Json | None] = queue.Queue()
        assert self.process.stdout is not None
        threading.Thread(target=self._read_all, args=(self.process.stdout,), daemon=True).start()

    def __enter__(self) -> LspClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.communicate()

    def send(self, method: str, params: Any) -> int:
        """Sends a request without waiting; gives back its id for `wait`."""
        self._last_id += 1
        self._write({"id": self._last_id, "method": method, "params": params})
        return self._last_id

    def notify(self, method: str, params: Any) -> None:
        """Sends a notification."""
        self._write({"method": method, "params": params})

    def wait(self, request: int) -> Any:
        """Result of a request sent before.

        Raises:
            ResponseError: the answer is an error.
            ServerGoneError: the server left.
            queue.Empty: no answer in time.
        """
        while request not in self._answers:
            self.receive()
        answer = self._answers.pop(request)
        if "error" in answer:
            raise ResponseError(answer["error"])
        return answer["result"]

    def request(self, method: str, params: Any) -> Any:
        """Sends a request and waits for its result; raises as `wait` does."""
        return self.wait(self.send(method, params))

    def wait_for(self, method: str, containing: str = "") -> Any:
        """Params of the first notification of this method, past or to come, that contains a text."""
        seen = 0
        while True:
            for name, params in self.notifications[seen:]:
                if name == method and containing in json.dumps(params):
                    return params
            seen = len(self.notifications)
            self.receive()

    def initialize(self, capabilities: Json = INLINE, **more: Any) -> Json:
        """The handshake; gives back the result of `initialize`."""
        params = {"processId": None, "rootUri": None, "capabilities": capabilities, **more}
        result: Json = self.request("initialize", params)
        self.notify("initialized", {})
        return result

    def open(self, uri: str, text: str, language: str = "python") -> None:
        """Opens a document."""
        item = {"uri": uri, "languageId": language, "version": 1, "text": text}
        self.notify("textDocument/didOpen", {"textDocument": item})

    def change(self, uri: str, version: int, *changes: Json) -> None:
        """Edits a document."""
        params = {"textDocument": {"uri": uri, "version": version}, "contentChanges": list(changes)}
        self.notify("textDocument/didChange", params)

    def send_inline(self, uri: str, line: int, character: int, trigger: int = 2, **context: Any) -> int:
        """Asks for ghost text without waiting."""
        params = {
            "textDocument": {"uri": uri},
            "position": {"line": line, "character": character},
            "context": {"triggerKind": trigger, **context},
        }
        return self.send("textDocument/inlineCompletion", params)

    def inline(self, uri: str, line: int, character: int, trigger: int = 2, **context: Any) -> Any:
        """Asks for ghost text and waits."""
        return self.wait(self.send_inline(uri, line, character, trigger, **context))

    def leave(self, *, shutdown: bool = True) -> int:
        """Ends the session; gives back the server's exit status."""
        if shutdown:
            self.request("shutdown", None)
        self.notify("exit", None)
        return self.process.wait(self.timeout)

    def receive(self) -> None:
        """Takes in one message, answering the server's own requests."""
        message = self._incoming.get(timeout=self.timeout)
        if message is None:
            raise ServerGoneError("The server closed its output.")
        if "method" not in message:
            self._answers[message["id"]] = message
        elif "id" in message:
            self._answer(message)
        else:
            self.notifications.append((message["method"], message.get("params")))

    def _answer(self, message: Json) -> None:
        """Answers a request of the server, unless the client is one that does not."""
        if message["method"] in self.unanswered:
            return
        reply = self.replies.get(message["method"], lambda _: None)
        try:
            self._write({"id": message["id"], "result": reply(message.get("params"))})
        except ResponseError as error:
            self._write({"id": message["id"], "error": {"code": error.code, "message": str(error)}})

    def _write(self, message: Json) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self.process.stdin is not None
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self.process.stdin.flush()

    def _read_all(self, stream: BinaryIO) -> None:
        while header := stream.readline():
            length = 0
            while header.strip():
                name, _, value = header.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
                header = stream.readline()
            self._incoming.put(json.loads(stream.read(length)))
        self._incoming.put(None)
