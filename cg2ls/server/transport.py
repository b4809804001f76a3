"""One client over stdin and stdout, a Unix socket or loopback TCP."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

from cg2ls.errors import Cg2Error
from cg2ls.server.framing import Frames
from cg2ls.system import has_unix_sockets, is_private, when_asked_to_end

if TYPE_CHECKING:
    from cg2ls.server.protocol import ServerProtocol

CHUNK_BYTES = 1 << 20
"""Size of one read."""

LOOPBACK = "127.0.0.1"

Read = Callable[[], Awaitable[bytes]]
"""The next bytes, at least one; none once the client has gone."""


class ListenError(Cg2Error):
    """The server cannot listen on a socket, or not safely."""


class Writer(Protocol):
    """Where messages to the client go."""

    def write(self, data: bytes) -> None:
        """Write a message."""

    def close(self) -> None:
        """End the connection."""


class StreamWriter:
    """Writer that ignores errors of a client that has disconnected."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def write(self, data: bytes) -> None:
        """Write and flush."""
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(data)
            self._stream.flush()

    def close(self) -> None:
        """Flush; the stream stays open, since it is the process's own."""
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()


def over_streams(protocol: ServerProtocol, stdin: BinaryIO, stdout: BinaryIO) -> None:
    """Serve the client at the other end of two streams until it leaves."""

    async def serve() -> None:
        async with protocol.beside():
            await _converse(protocol, _reader(stdin.fileno()), StreamWriter(stdout))

    asyncio.run(serve())


def over_unix_socket(protocol: ServerProtocol, path: Path) -> None:
    """Serve the first client that connects to a socket that only this user can reach.

    Raises:
        ListenError: others can reach the folder, or something else is there.
    """

    async def listen(serve: Callable[..., Awaitable[None]]) -> asyncio.Server:
        if await _answers(path):
            raise ListenError(f"{path} is in use; choose another path with --unix.")
        before = os.umask(0o177)
        try:
            return await asyncio.start_unix_server(serve, path)
        finally:
            os.umask(before)

    if not has_unix_sockets():
        raise ListenError("This system has no Unix sockets; listen with --tcp instead.")
    _check_private(path)
    try:
        asyncio.run(
            _first_client(protocol, listen, lambda _: str(path), lambda: path.unlink(missing_ok=True))
        )
    except OSError as error:
        raise ListenError(f"The server cannot listen on {path} ({error.strerror or error}).") from None


def over_tcp(protocol: ServerProtocol, port: int, token: str = "") -> None:
    """Serve the first client that connects to a port of this machine, open to all of its users.

    Args:
        protocol: handles the messages.
        port: the port, 0 for any free one; it is printed on stderr.
        token: a word the client must send as `initializationOptions.token`; "" for none.

    Raises:
        ListenError: the port is taken.
    """

    async def listen(serve: Callable[..., Awaitable[None]]) -> asyncio.Server:
        return await asyncio.start_server(serve, LOOPBACK, port)

    protocol.token = token
    try:
        asyncio.run(
            _first_client(protocol, listen, lambda made: f"{LOOPBACK}:{made.sockets[0].getsockname()[1]}")
        )
    except (OSError, OverflowError) as error:
        raise ListenError(
            f"The server cannot listen on {LOOPBACK}:{port} ({getattr(error, 'strerror', '') or error})."
        ) from None


async def _converse(protocol: ServerProtocol, read: Read, writer: Writer) -> None:
    """Pass the client's messages to the server until either leaves."""
    protocol.set_writer(writer)
    frames = Frames()
    main = asyncio.current_task()
    assert main is not None
    when_asked_to_end(asyncio.get_running_loop(), main.cancel)
    protocol.on_leave = main.cancel
    with contextlib.suppress(asyncio.CancelledError):
        while not protocol.left and (data := await read()):
            for frame in frames.feed(data):
                protocol.receive(frame)
                await asyncio.sleep(0)  # a request takes its snapshot before the next message is looked at
    writer.close()


def _reader(file: int) -> Read:
    """Read a file in a thread that does not keep the process alive."""
    loop = asyncio.get_running_loop()
    chunks: asyncio.Queue[bytes] = asyncio.Queue()

    def read_all() -> None:
        data = b"any"
        while data:
            try:
                data = os.read(file, CHUNK_BYTES)
            except OSError:
                data = b""
            with contextlib.suppress(RuntimeError):  # the loop was closed: the server has ended
                loop.call_soon_threadsafe(chunks.put_nowait, data)

    threading.Thread(target=read_all, name="stdin", daemon=True).start()
    return chunks.get


async def _first_client(
    protocol: ServerProtocol,
    listen: Callable[[Callable[..., Awaitable[None]]], Awaitable[asyncio.Server]],
    name: Callable[[asyncio.Server], str],
    forget: Callable[[], object] = lambda: None,
) -> None:
    """Listen until the first client connects, and serve it."""
    arrived: asyncio.Future[tuple[asyncio.StreamReader, asyncio.StreamWriter]]
    arrived = asyncio.get_running_loop().create_future()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if arrived.done():
            writer.close()
        else:
            arrived.set_result((reader, writer))

    async def read() -> bytes:
        with contextlib.suppress(ConnectionError):
            return await reader.read(CHUNK_BYTES)
        return b""

    async with protocol.beside():
        listening = await listen(serve)
        try:
            print(f"cg2ls: listening on {name(listening)} for one editor.", file=sys.stderr, flush=True)
            reader, writer = await arrived
        finally:
            listening.close()
            forget()
        await _converse(protocol, read, writer)


def _check_private(path: Path) -> None:
    """Make the socket's folder if it is missing, and refuse one that others can enter."""
    folder = path.parent
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        private = is_private(folder)
    except OSError as error:
        raise ListenError(f"{folder} cannot be used ({error.strerror}).") from None
    if not private:
        raise ListenError(f"{folder} is open to others; choose a folder of your own with mode 700.")
    if path.exists() and not path.is_socket():
        raise ListenError(f"{path} exists and is not a socket; choose another path with --unix.")


async def _answers(path: Path) -> bool:
    """Return whether a server listens on a socket."""
    try:
        _, writer = await asyncio.open_unix_connection(path)
    except OSError:
        return False
    writer.close()
    return True
