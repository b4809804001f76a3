"""Answers that are sent while they are generated: server-sent events of llama.cpp's and of OpenAI's streams.

Text is sent once it is final (`cg2ls.completion.results`), so a stream is never taken back. A client that reads
slowly, or never, holds up its own connection alone: the decoding thread puts text into a queue and goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from cg2ls.http.access import RequestRefusedError, error_object
from cg2ls.http.answers import CompletionEvents, InfillEvents, to_events

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from starlette.types import Receive, Scope, Send

    from cg2ls.http.completer import Answer

EVENTS_TYPE = "text/event-stream"

OnText = Callable[[str], object]

T = TypeVar("T")


class ClientGoneError(Exception):
    """The client closed the connection before its answer."""


class GrowingAnswer:
    """The answer to one request, whose text arrives in pieces.

    Args:
        complete: begins the completion, given what to call with all final text, in any thread.
    """

    def __init__(self, complete: Callable[[OnText], Coroutine[Any, Any, Answer]]) -> None:
        self._loop = asyncio.get_running_loop()
        self._texts: asyncio.Queue[str | None] = asyncio.Queue()
        self._sent = ""
        self._work = asyncio.ensure_future(complete(self._put))
        self._work.add_done_callback(lambda _: self._texts.put_nowait(None))

    def _put(self, text: str) -> None:
        with contextlib.suppress(RuntimeError):  # the loop was closed: the server has ended
            self._loop.call_soon_threadsafe(self._texts.put_nowait, text)

    async def next_piece(self) -> str | None:
        """Return the next text after what came before; None if only the whole answer is left."""
        while (text := await self._texts.get()) is not None:
            if piece := self._continue(text):
                return piece
        return None

    def _continue(self, text: str) -> str:
        """Return the part of a text after what was sent; "" if it does not begin with what was sent."""
        if not text.startswith(self._sent):
            return ""
        piece, self._sent = text[len(self._sent) :], text
        return piece

    def whole(self) -> Answer:
        """Return the whole answer, after `next_piece` has returned None.

        Raises:
            Exception: the completion raised it.
        """
        return self._work.result()

    def rest(self) -> str:
        """Return the rest of the whole answer's first text."""
        return self._continue(self.whole().texts[0])

    async def cancel(self) -> None:
        """End the completion, if it still runs."""
        self._work.cancel()
        await asyncio.gather(self._work, return_exceptions=True)


async def write_events(
    answer: GrowingAnswer, first: str | None, writer: InfillEvents | CompletionEvents
) -> AsyncIterator[bytes]:
    """Yield the events of an answer, the text of each completion and then its end.

    Args:
        answer: the answer.
        first: its first piece, None if it is whole already.
        writer: makes the events of one kind of client.
    """
    piece, has_text = first, False
    while piece is not None:
        has_text = True
        yield to_events([writer.text(piece, 0)])
        piece = await answer.next_piece()
    try:
        whole, rest = answer.whole(), answer.rest()
    except RequestRefusedError as refused:  # the status is sent already
        yield to_events([error_object(refused.status, refused.message)])
        return
    events: list[Any] = [writer.text(rest, 0)] if rest or not has_text else []
    events.append(writer.end(whole, 0))
    for index, text in enumerate(whole.texts[1:], 1):
        events += [writer.text(text, index), writer.end(whole, index)]
    yield to_events([*events, *writer.last])


class EventStream(Response):
    """Sends events as they come, and ends the completion if the client closes the connection.

    Args:
        answer: what is completed.
        events: bytes to send.

    Attributes:
        on_end: called at the end, with whether the client got everything.
    """

    def __init__(self, answer: GrowingAnswer, events: AsyncIterator[bytes]) -> None:
        super().__init__(media_type=EVENTS_TYPE, headers={"Cache-Control": "no-store"})
        del self.headers["content-length"]
        self._answer = answer
        self._events = events
        self.on_end: Callable[[bool], object] = lambda _: None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events."""
        sending = asyncio.ensure_future(self._send(send))
        gone = asyncio.ensure_future(wait_for_end(Request(scope, receive)))
        try:
            await asyncio.wait({sending, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.on_end(sending.done())
            for task in (sending, gone):
                task.cancel()
            await asyncio.gather(sending, gone, return_exceptions=True)
            await self._answer.cancel()

    async def _send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async for part in self._events:
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


async def stream(
    request: Request,
    complete: Callable[[OnText], Coroutine[Any, Any, Answer]],
    writer: InfillEvents | CompletionEvents,
) -> Response:
    """Return the response to a request for events, as soon as there is a first one.

    Raises:
        RequestRefusedError: the completion failed before its first text.
        ClientGoneError: the client hung up before.
    """
    answer = GrowingAnswer(complete)
    try:
        first = await until_gone(request, answer.next_piece())
        if first is None:
            answer.whole()
    except BaseException:
        await answer.cancel()
        raise
    return EventStream(answer, write_events(answer, first, writer))


async def wait_for_end(request: Request) -> None:
    """Wait until the client closes the connection."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def until_gone(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """Return the result of work; cancel it if the client closes the connection.

    Raises:
        ClientGoneError: the client hung up.
        Exception: the work raised it.
    """
    task = asyncio.current_task()
    assert task is not None
    is_working = True

    def stop(ended: asyncio.Future[None]) -> None:
        if is_working and not ended.cancelled():
            task.cancel()

    # The work runs in this task: another one for it, and a wait for both, would cost several steps of the event loop.
    gone = asyncio.ensure_future(wait_for_end(request))
    gone.add_done_callback(stop)
    try:
        return await work
    except asyncio.CancelledError:
        if gone.done() and not task.uncancel():
            raise ClientGoneError from None
        raise
    finally:
        is_working = False
        gone.cancel()
