"""An editor's side of the language server protocol, as small as measuring needs it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from cg2ls.evaluation.errors import BenchError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

GONE = "The server ended while it was measured; `cg2ls doctor` looks for the cause."


class Editor:
    """One server process, and what an editor sends it.

    Args:
        arguments: of the Python that runs the server.
    """

    def __init__(self, arguments: Sequence[str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._last = 0

    def __enter__(self) -> Editor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.communicate()

    def begin(self) -> None:
        """The handshake, and waiting for the model."""
        capabilities: dict[str, Any] = {"textDocument": {"inlineCompletion": {}}}
        self.ask("initialize", {"processId": None, "rootUri": None, "capabilities": capabilities})
        self.tell("initialized", {})
        while self.ask("cg2ls/status", {})["state"] != "ready":
            pass

    def open(self, uri: str, text: str) -> None:
        """Opens a Python document."""
        item = {"uri": uri, "languageId": "python", "version": 1, "text": text}
        self.tell("textDocument/didOpen", {"textDocument": item})

    def insert(self, uri: str, version: int, line: int, character: int, text: str, over: int = 0) -> None:
        """Puts text into a document, over so many characters of the line."""
        start, end = {"line": line, "character": character}, {"line": line, "character": character + over}
        change = {"range": {"start": start, "end": end}, "text": text}
        document = {"uri": uri, "version": version}
        self.tell("textDocument/didChange", {"textDocument": document, "contentChanges": [change]})

    def complete(self, uri: str, line: int, character: int) -> Any:
        """Asks for ghost text as one types."""
        params = {
            "textDocument": {"uri": uri},
            "position": {"line": line, "character": character},
            "context": {"triggerKind": 2},
        }
        return self.ask("textDocument/inlineCompletion", params)

    def ask(self, method: str, params: Any) -> Any:
        """Sends a request and waits for its result; other messages are passed over.

        Raises:
            BenchError: the answer is an error, or the server ended.
        """
        self._last += 1
        self._write({"id": self._last, "method": method, "params": params})
        while (message := self._read()).get("id") != self._last:
            pass
        if "error" in message:
            raise BenchError(f"The server refused {method} ({message['error']['message']}).")
        return message["result"]

    def tell(self, method: str, params: Any) -> None:
        """Sends a notification."""
        self._write({"method": method, "params": params})

    def _write(self, message: dict[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
            self.process.stdin.flush()
        except OSError:
            raise BenchError(GONE) from None

    def _read(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        length = 0
        while (line := self.process.stdout.readline()).strip():
            found = re.match(rb"(?i)content-length: *(\d+)", line)
            length = int(found[1]) if found else length
        if not line:
            raise BenchError(GONE)
        message: dict[str, Any] = json.loads(self.process.stdout.read(length))
        return message
