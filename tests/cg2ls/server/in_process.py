"""A server in the test's own process, so that a test can make any part of it fail."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from cg2ls.engine.request import Request, Step
from cg2ls.evaluation.stub_server import StubEngine
from cg2ls.server.app import Server
from cg2ls.server.framing import Frames
from cg2ls.server.settings import Settings

INLINE = {"textDocument": {"inlineCompletion": {"dynamicRegistration": False}}}
ANSWER = "measured_value + 1"


class Engine(StubEngine):
    """Writes the same answer to every prompt, and calls the request's prior as the real engine does."""

    broken: Exception | None = None

    def complete(self, request: Request, stop: Callable[[], bool]) -> Iterator[Step]:
        if self.broken is not None:
            raise self.broken
        logits = np.zeros(self.tokenizer.special.vocab_size, dtype=np.float32)
        if request.prior is not None:
            request.prior.draft([], 4)
            request.prior.mix([], logits)
        yield from super().complete(request, stop)

    def candidates(self, request: Request, count: int, stop, is_complete) -> list[list[Step]]:
        answers = [[Step(0, request.forced, 0.0), Step(0, b"other_value\n", -1.0)] for _ in range(count)]
        for answer in answers:
            is_complete(answer)
        return answers


class Client:
    """One client of a server in the same process and event loop.

    Attributes:
        server: the server.
        notifications: those that it sent, in order; `(method, params)`.
        engines: every engine that was opened, in order.
    """

    def __init__(self, folder: Path, **options: Any) -> None:
        self.engines: list[Engine] = []
        self.notifications: list[tuple[str, Any]] = []
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._ids = count(1)
        self._frames = Frames()
        self._versions = count(2)
        flags = {"repository_memory": False, "delay_ms": 0, "speculate": False, **options}
        self.server = Server(Settings(flags | {"model": str(folder)}), self._open)
        self.server.protocol.set_writer(self)

    def _open(self, folder: Path, *_: object) -> Engine:
        self.engines.append(Engine(folder))
        return self.engines[-1]

    @property
    def opened_models(self) -> int:
        """How many times a model was opened."""
        return len(self.engines)

    def write(self, data: bytes) -> None:
        for frame in self._frames.feed(data):
            message = json.loads(frame)
            if "method" not in message:
                self._answers.pop(message["id"]).set_result(message)
            elif "id" in message:
                self._receive({"id": message["id"], "result": None})
            else:
                self.notifications.append((message["method"], message.get("params")))

    def close(self) -> None:
        pass

    def _receive(self, message: dict[str, Any]) -> None:
        self.server.protocol.receive(json.dumps({"jsonrpc": "2.0", **message}).encode())

    def notify(self, method: str, params: Any) -> None:
        self._receive({"method": method, "params": params})

    async def answer(self, method: str, params: Any) -> dict[str, Any]:
        """Result or error of a request; every request must have one."""
        identity = next(self._ids)
        answer = self._answers[identity] = asyncio.get_running_loop().create_future()
        self._receive({"id": identity, "method": method, "params": params})
        return await asyncio.wait_for(answer, 20)

    async def ready(self) -> None:
        """The model is open."""
        while not (self.server.models.open_models() and not self.server.models.is_loading()):
            await asyncio.sleep(0.001)

    def open(self, uri: str, text: str, language: str | None = "python") -> None:
        item = {"uri": uri, "languageId": language, "version": 1, "text": text}
        self.notify("textDocument/didOpen", {"textDocument": item})

    def change(self, uri: str, text: str) -> None:
        document = {"uri": uri, "version": next(self._versions)}
        self.notify("textDocument/didChange", {"textDocument": document, "contentChanges": [{"text": text}]})

    async def inline(
        self, uri: str, line: int = 0, column: int = 4, *, invoked: bool = False
    ) -> dict[str, Any]:
        """Ghost text."""
        params = {"textDocument": {"uri": uri}, "position": {"line": line, "character": column}}
        context = {"triggerKind": 1 if invoked else 2}
        return await self.answer("textDocument/inlineCompletion", {**params, "context": context})

    async def menu(self, uri: str, line: int = 0, column: int = 4) -> dict[str, Any]:
        """The completion menu."""
        params = {"textDocument": {"uri": uri}, "position": {"line": line, "character": column}}
        return await self.answer("textDocument/completion", {**params, "context": {"triggerKind": 1}})

    async def command(self, name: str, *arguments: Any) -> dict[str, Any]:
        params = {"command": f"cg2ls.server.{name}", "arguments": list(arguments)}
        return await self.answer("workspace/executeCommand", params)

    async def status(self, uri: str) -> dict[str, Any]:
        return (await self.answer("cg2ls/status", {"textDocument": {"uri": uri}}))["result"]


@asynccontextmanager
async def conversation(
    folder: Path, capabilities: dict[str, Any] | None = None, **options: Any
) -> AsyncIterator[Client]:
    """A client whose server has its model open; it shuts down as a client does."""
    client = Client(folder, **options)
    await client.answer(
        "initialize",
        {
            "processId": None,
            "rootUri": None,
            "capabilities": INLINE if capabilities is None else capabilities,
        },
    )
    client.notify("initialized", {})
    await client.ready()
    try:
        yield client
    finally:
        await client.answer("shutdown", None)
        client.notify("exit", None)
        status = client.server.run(lambda _: None)
        assert status == 0


def shown(answer: dict[str, Any]) -> list[str]:
    """The texts of an answer; none if it is an error."""
    items = (answer.get("result") or {"items": []})["items"]
    return [item["insertText"] if "insertText" in item else item["textEdit"]["newText"] for item in items]
