"""One server process, and every message to and from it: no request is ever forgotten."""

from __future__ import annotations

import json
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import IO, TYPE_CHECKING, Any

from cg2ls.evaluation.errors import ReplayError

if TYPE_CHECKING:
    from pathlib import Path

Json = dict[str, Any]
Id = int | str

PATIENCE_S = 300.0
"""Seconds without any message from the server until what is waited for counts as lost, on a machine however busy."""

ENDING_S = 5.0
"""Seconds that a server which closed its output may take to end."""

KEPT_LINES = 3
"""Last lines of the server's stderr that are told when it dies."""


class LostError(ReplayError):
    """The server died or stopped answering."""


class Conversation:
    """The client's side.

    Args:
        command: starts the server.
        environment: of the server.
        folder: where it starts.
        patience: seconds to wait for a message; PATIENCE_S if None.

    Attributes:
        outstanding: methods of the requests that have no answer yet, by id.
        requests: sent so far.
        answered: how many of them have an answer.
        errors: how many of those are errors, by code.
        replies: how the server's own requests are answered: a result, or None for no answer at all.
        heard: told of every notification of the server.
        patience: as given.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
        patience: float | None = None,
    ) -> None:
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            cwd=folder,
        )
        self.outstanding: dict[Id, str] = {}
        self.requests = self.answered = 0
        self.errors: dict[int, int] = {}
        self.replies: Callable[[str, Any], Json | None] = lambda *_: {"result": None}
        self.heard: Callable[[str, Any], None] = lambda *_: None
        self.patience = PATIENCE_S if patience is None else patience
        self._wanted: dict[Id, Json | None] = {}
        self._called_back: dict[Id, Callable[[Json], None]] = {}
        self._incoming: SimpleQueue[Json | None] = SimpleQueue()
        self._complaints: deque[str] = deque(maxlen=KEPT_LINES)
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self._readers = [
            threading.Thread(target=self._read, args=(self.process.stdout,), daemon=True),
            threading.Thread(target=self._listen, args=(self.process.stderr,), daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def close(self) -> None:
        """Ends the server, however it is."""
        self.process.kill()
        self.process.wait()
        for reader in self._readers:
            reader.join()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert stream is not None
            try:
                stream.close()
            except OSError:
                continue  # what was still to be written cannot be

    def ask(
        self,
        method: str,
        params: Any,
        *,
        identity: Id | None = None,
        then: Callable[[Json], None] | None = None,
    ) -> Id:
        """Sends a request without waiting.

        Args:
            method: of the request.
            params: of the request.
            identity: its id; the next number if None.
            then: told of the answer, a message with `result` or `error`, when it comes.

        Raises:
            LostError: the server is dead.
        """
        identity = self.expect(method, identity, then)
        self.send({"jsonrpc": "2.0", "id": identity, "method": method, "params": params})
        return identity

    def expect(
        self, method: str, identity: Id | None = None, then: Callable[[Json], None] | None = None
    ) -> Id:
        """Counts a request that is sent by other means; gives its id back."""
        self.requests += 1
        identity = self.requests if identity is None else identity
        self.outstanding[identity] = method
        if then is not None:
            self._called_back[identity] = then
        return identity

    def tell(self, method: str, params: Any) -> None:
        """Sends a notification.

        Raises:
            LostError: the server is dead.
        """
        self.send({"jsonrpc": "2.0", "method": method, "params": params})

    def send(self, message: Any) -> None:
        """Sends anything that is JSON.

        Raises:
            LostError: the server is dead.
        """
        self.send_bytes(json.dumps(message).encode())

    def send_bytes(self, body: bytes) -> None:
        """Sends the body of a message, JSON or not.

        Raises:
            LostError: the server is dead.
        """
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
            self.process.stdin.flush()
        except OSError:
            raise self._ended("closed its input") from None

    def result_of(self, identity: Id) -> Json:
        """Waits for the answer to a request: a message with `result` or `error`.

        Raises:
            LostError: the server died, or nothing came in time.
        """
        self._wanted[identity] = None
        while (answer := self._wanted[identity]) is None:
            self.receive()
        del self._wanted[identity]
        return answer

    def call(self, method: str, params: Any) -> Json:
        """Sends a request and waits for its answer.

        Raises:
            LostError: the server died, or nothing came in time.
        """
        return self.result_of(self.ask(method, params))

    def settle(self) -> None:
        """Waits until every request has an answer.

        Raises:
            LostError: the server died, or nothing came in time.
        """
        while self.outstanding:
            self.receive()

    def receive(self) -> None:
        """Waits for one message and deals with it.

        Raises:
            LostError: the server died, or nothing came in time.
        """
        try:
            message = self._incoming.get(timeout=self.patience)
        except Empty:
            raise self._lost(f"said nothing for {self.patience:g} seconds") from None
        self._deal_with(message)

    def receive_waiting(self) -> None:
        """Deals with the messages that are there.

        Raises:
            LostError: the server died.
        """
        while not self._incoming.empty():
            self._deal_with(self._incoming.get())

    def _deal_with(self, message: Json | None) -> None:
        if message is None:
            raise self._ended("closed its output")
        identity = message.get("id")
        if "method" not in message:
            self._answer(identity, message)
        elif identity is None:
            self.heard(message["method"], message.get("params"))
        else:
            reply = self.replies(message["method"], message.get("params"))
            if reply is not None:
                self.send({"jsonrpc": "2.0", "id": identity, **reply})

    def _answer(self, identity: Any, message: Json) -> None:
        if self.outstanding.pop(identity, None) is None:
            return  # what could not be read as a message is answered without an id
        self.answered += 1
        if "error" in message:
            code = message["error"].get("code", 0)
            self.errors[code] = self.errors.get(code, 0) + 1
        if identity in self._wanted:
            self._wanted[identity] = message
        if then := self._called_back.pop(identity, None):
            then(message)

    def _ended(self, what: str) -> LostError:
        """What is to be said of a server that is ending: how it ended, as soon as that is known."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(ENDING_S)
        self._readers[-1].join(ENDING_S)
        return self._lost(what)

    def _lost(self, what: str) -> LostError:
        status = self.process.poll()
        ended = "" if status is None else f" and ended with status {status}"
        last = f" Its last words: {' | '.join(self._complaints)}" if self._complaints else ""
        return LostError(f"The server {what}{ended}.{last}")

    def _listen(self, stream: IO[bytes]) -> None:
        for line in stream:
            self._complaints.append(line.decode(errors="replace").rstrip())

    def _read(self, stream: IO[bytes]) -> None:
        for message in _messages(stream):
            self._incoming.put(message)
        self._incoming.put(None)


def _messages(stream: IO[bytes]) -> Iterator[Json]:
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
