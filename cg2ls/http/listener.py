"""Listen on the loopback address, alone or in one event loop with the language server."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from cg2ls.http.access import read_token, token_file
from cg2ls.http.app import make_app
from cg2ls.http.completer import HttpCompleter, check_roots
from cg2ls.http.metrics import Metrics
from cg2ls.server.framing import Damage, Frames
from cg2ls.server.settings import Settings
from cg2ls.server.transport import LOOPBACK, ListenError
from cg2ls.system import when_asked_to_end

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from cg2ls.server.app import Server
    from cg2ls.server.protocol import ServerProtocol

MAX_CONNECTIONS = 64
"""Connections at once; a request over one more is answered with 503."""

SAID_TO_USERS = ("window/showMessage", "window/logMessage")


@dataclass(frozen=True, kw_only=True)
class HttpOptions:
    """Options of the command line for HTTP.

    Attributes:
        port: port of the loopback, 0 for any free one.
        roots: folders that memory follows.
        needs_token: whether a request must carry the token.
    """

    port: int
    roots: tuple[Path, ...] = ()
    needs_token: bool = True


@asynccontextmanager
async def listening(server: Server, options: HttpOptions) -> AsyncIterator[int]:
    """Answer HTTP requests with a server's models until the block ends; yield the port.

    Raises:
        ListenError: the port cannot be listened on.
        TokenError: the token cannot be read.
        RootError: a folder cannot be followed.
    """
    settings = Settings(server.settings.flags)
    settings.move_to(check_roots(options.roots))
    path = token_file() if options.needs_token else None
    token = read_token(path) if path else ""
    metrics = Metrics()
    with _bound(options.port) as bound:
        completer = HttpCompleter(server, settings, metrics)
        port = bound.getsockname()[1]
        said = f"the token is in {path}" if path else "without a token: every program here may ask"
        async with _served(make_app(completer, metrics, token), bound):
            print(f"cg2ls: HTTP on http://{LOOPBACK}:{port}; {said}.", file=sys.stderr, flush=True)
            try:
                yield port
            finally:
                completer.leave()


def without_editor(protocol: ServerProtocol) -> None:
    """Serve HTTP alone, until the process is asked to end.

    Raises:
        Cg2Error: what `protocol.beside` raises.
    """

    async def serve() -> None:
        main = asyncio.current_task()
        assert main is not None
        when_asked_to_end(asyncio.get_running_loop(), main.cancel)
        protocol.set_writer(NoEditor())
        for message in (
            {"id": 0, "method": "initialize", "params": {"processId": None, "capabilities": CAPABILITIES}},
            {"method": "initialized", "params": {}},
        ):
            protocol.receive(json.dumps({"jsonrpc": "2.0", **message}).encode())
        with contextlib.suppress(asyncio.CancelledError):
            async with protocol.beside():
                await asyncio.Event().wait()

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve())


CAPABILITIES: dict[str, Any] = {"textDocument": {"inlineCompletion": {}}}
"""Of the editor that is not there: without this, a completion menu would be registered."""


class NoEditor:
    """Writer in place of an editor's; messages to users go to stderr."""

    def __init__(self) -> None:
        self._frames = Frames()

    def write(self, data: bytes) -> None:
        """Print messages for users; ignore all others."""
        for frame in self._frames.feed(data):
            message = {} if isinstance(frame, Damage) else json.loads(frame)
            if message.get("method") in SAID_TO_USERS:
                sentence = str(message["params"]["message"]).removeprefix("cg2ls: ")
                print(f"cg2ls: {sentence}", file=sys.stderr, flush=True)

    def close(self) -> None:
        """Do nothing."""


class _JoinedWrites:
    """Transport that sends what is written in one step of the event loop at once.

    uvicorn writes an answer's head and body apart. Each call of the system lets another thread or process run first.

    Args:
        transport: sends the bytes.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> None:
        """Send data at the end of this step."""
        if not self._parts:
            self._loop.call_soon(self._flush)
        self._parts.append(data)

    def close(self) -> None:
        """Send what is left and close."""
        self._flush()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def _flush(self) -> None:
        parts, self._parts = self._parts, []
        if parts and not self._transport.is_closing():
            self._transport.write(b"".join(parts))


class _Http(H11Protocol):
    """HTTP/1.1 that sends each answer in one system call."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin a connection."""
        super().connection_made(_JoinedWrites(transport))  # type: ignore[arg-type]


class _LoopServer(uvicorn.Server):
    """uvicorn in the event loop of the language server, which keeps the signals.

    It sleeps between requests: uvicorn's own loop wakes ten times a second, for limits that are not used here.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._ended = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield

    async def main_loop(self) -> None:
        """Wait until the end."""
        await self._ended.wait()

    def end(self) -> None:
        """Close the connections and return from `serve`."""
        self.should_exit = True
        self._ended.set()


@asynccontextmanager
async def _served(app: ASGIApp, bound: socket.socket) -> AsyncIterator[None]:
    """Serve an application on a socket until the block ends."""
    config = uvicorn.Config(
        app,
        http=_Http,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="error",  # requests quote code, and clients that send nonsense are their users' matter
        access_log=False,
        server_header=False,
        date_header=False,  # its time is kept by the loop that `_LoopServer` replaces
        proxy_headers=False,
        limit_concurrency=MAX_CONNECTIONS,
        timeout_graceful_shutdown=1,
    )
    server = _LoopServer(config)
    serving = asyncio.ensure_future(server.serve(sockets=[bound]))
    while not server.started and not serving.done():
        await asyncio.sleep(0.005)
    try:
        yield
    finally:
        server.end()
        await serving


@contextmanager
def _bound(port: int) -> Iterator[socket.socket]:
    """Yield a socket that listens on the loopback.

    Raises:
        ListenError: the port is in use, or not for this user.
    """
    # asyncio sends without delay (TCP_NODELAY) only where the protocol is named; else an answer could wait 40 ms.
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name != "nt":  # there it would let two programs share the port
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            made.bind((LOOPBACK, port))
            made.listen()
        except OSError as error:
            reason = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be used ({error.strerror})"
            raise ListenError(f"{LOOPBACK}:{port} {reason}; choose another with --http PORT.") from None
        yield made
    finally:
        made.close()
