"""Conversation with one server process that counts every message, so that every missing answer is noticed."""

from __future__ import annotations

import subprocess
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from queue import Empty
from typing import IO, TYPE_CHECKING, Any

from cg2ls.errors import EvaluationError
from cg2ls.evaluation.lsp_client import Json, ServerProcess

if TYPE_CHECKING:
    from pathlib import Path

RequestId = int | str

PATIENCE_S = 300.0
"""Seconds without any message after which the server counts as lost, long enough for a busy machine."""

EXIT_WAIT_S = 5.0
"""Seconds that a server which closed its output may take to end."""

KEPT_STDERR_LINES = 3
"""Number of the last lines of the server's stderr that the report of its end quotes."""


class LostServerError(EvaluationError):
    """The server died or stopped answering."""


class Conversation(ServerProcess):
    """Server process and the client's side of its conversation.

    Args:
        command: starts the server.
        environment: the server's environment; None for this process's.
        folder: the server's working directory.
        patience_s: seconds to wait for a message; PATIENCE_S if None.

    Attributes:
        outstanding: methods of the requests that have no answer yet, by id.
        requests: requests sent so far.
        answered: requests that have an answer.
        errors: answers that are errors, by code.
        on_request: answers the server's own requests with a result or an error; None for no answer at all.
        on_notification: receives every notification of the server.
        patience_s: seconds to wait for a message.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
        patience_s: float | None = None,
    ) -> None:
        self.patience_s = PATIENCE_S if patience_s is None else patience_s
        super().__init__(command=command, timeout=self.patience_s, env=environment, folder=folder)
        self.outstanding: dict[RequestId, str] = {}
        self.requests = self.answered = 0
        self.errors: dict[int, int] = {}
        self.on_request: Callable[[str, Any], Json | None] = lambda *_: {"result": None}
        self.on_notification: Callable[[str, Any], None] = lambda *_: None
        self._awaited: dict[RequestId, Json | None] = {}
        self._callbacks: dict[RequestId, Callable[[Json], None]] = {}
        self._stderr_lines: deque[str] = deque(maxlen=KEPT_STDERR_LINES)
        assert self.process.stderr is not None
        self._stderr_reader = threading.Thread(
            target=self._read_stderr, args=(self.process.stderr,), daemon=True
        )
        self._stderr_reader.start()

    def close(self) -> None:
        """Kill the server and close its streams."""
        self.process.kill()
        self.process.wait()
        for reader in (self._reader, self._stderr_reader):
            reader.join()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert stream is not None
            try:
                stream.close()
            except OSError:
                continue  # unsent bytes cannot be written any more

    def ask(
        self,
        method: str,
        params: Any,
        *,
        identity: RequestId | None = None,
        on_answer: Callable[[Json], None] | None = None,
    ) -> RequestId:
        """Send a request without waiting and return its id.

        Args:
            method: the request's method.
            params: the request's parameters.
            identity: the request's id; the next number if None.
            on_answer: receives the answer, a message with `result` or `error`.

        Raises:
            LostServerError: the server is dead.
        """
        self.requests += 1
        identity = self.requests if identity is None else identity
        self.outstanding[identity] = method
        if on_answer is not None:
            self._callbacks[identity] = on_answer
        self.send_message({"jsonrpc": "2.0", "id": identity, "method": method, "params": params})
        return identity

    def notify(self, method: str, params: Any) -> None:
        """Send a notification.

        Raises:
            LostServerError: the server is dead.
        """
        self.send_message({"jsonrpc": "2.0", "method": method, "params": params})

    def send_bytes(self, body: bytes) -> None:
        """Send the body of a message, JSON or not.

        Raises:
            LostServerError: the server is dead.
        """
        try:
            super().send_bytes(body)
        except OSError:
            raise self._describe_end("closed its input") from None

    def wait_for_answer(self, identity: RequestId) -> Json:
        """Wait for the answer to a request: a message with `result` or `error`.

        Raises:
            LostServerError: the server died, or nothing came in time.
        """
        self._awaited[identity] = None
        while (answer := self._awaited[identity]) is None:
            self.receive()
        del self._awaited[identity]
        return answer

    def call(self, method: str, params: Any) -> Json:
        """Send a request and wait for its answer.

        Raises:
            LostServerError: the server died, or nothing came in time.
        """
        return self.wait_for_answer(self.ask(method, params))

    def settle(self) -> None:
        """Wait until every request has an answer.

        Raises:
            LostServerError: the server died, or nothing came in time.
        """
        while self.outstanding:
            self.receive()

    def receive(self) -> None:
        """Wait for one message and handle it.

        Raises:
            LostServerError: the server died, or nothing came in time.
        """
        try:
            message = self.next_message()
        except Empty:
            raise self._describe_loss(f"sent nothing for {self.patience_s:g} seconds") from None
        self._handle(message)

    def receive_waiting(self) -> None:
        """Handle the messages that have arrived.

        Raises:
            LostServerError: the server died.
        """
        while not self._incoming.empty():
            self._handle(self._incoming.get())

    def _handle(self, message: Json | None) -> None:
        if message is None:
            raise self._describe_end("closed its output")
        identity = message.get("id")
        if "method" not in message:
            self._note_answer(identity, message)
        elif identity is None:
            self.on_notification(message["method"], message.get("params"))
        else:
            reply = self.on_request(message["method"], message.get("params"))
            if reply is not None:
                self.send_message({"jsonrpc": "2.0", "id": identity, **reply})

    def _note_answer(self, identity: Any, message: Json) -> None:
        if self.outstanding.pop(identity, None) is None:
            return  # a message that could not be parsed is answered without an id
        self.answered += 1
        if "error" in message:
            code = message["error"].get("code", 0)
            self.errors[code] = self.errors.get(code, 0) + 1
        if identity in self._awaited:
            self._awaited[identity] = message
        if on_answer := self._callbacks.pop(identity, None):
            on_answer(message)

    def _describe_end(self, fact: str) -> LostServerError:
        """Wait a little for the server to end, then return an error that names its exit status."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(EXIT_WAIT_S)
        self._stderr_reader.join(EXIT_WAIT_S)
        return self._describe_loss(fact)

    def _describe_loss(self, fact: str) -> LostServerError:
        status = self.process.poll()
        ended = "" if status is None else f" and ended with status {status}"
        last = f" Its last lines on stderr: {' | '.join(self._stderr_lines)}" if self._stderr_lines else ""
        return LostServerError(f"The server {fact}{ended}.{last}")

    def _read_stderr(self, stream: IO[bytes]) -> None:
        for line in stream:
            self._stderr_lines.append(line.decode(errors="replace").rstrip())
