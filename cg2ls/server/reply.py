"""What every request for a completion goes through, whichever message it came with."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import TYPE_CHECKING, TypeVar

from pygls.exceptions import JsonRpcException

from cg2ls.completion.faults import EngineFailedError
from cg2ls.server.acceptance import Shown
from cg2ls.server.completer import Place, complete
from cg2ls.server.engine_recovery import engine_failed
from cg2ls.server.failures import LEFT_ALONE, AnswerError, cause_of, options_of
from cg2ls.server.suppressed_documents import off_here

if TYPE_CHECKING:
    from cg2ls.completion import Completion, Trigger
    from cg2ls.server.app import Server
    from cg2ls.server.models import Model

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")


async def contain(
    server: Server, uri: str, answering: Awaitable[Answer | None], nothing: Answer, *, tells: bool
) -> Answer | None:
    """Awaits the answer to one request; whatever goes wrong with it concerns this request alone.

    Args:
        server: takes note of it.
        uri: of the document.
        answering: the answer.
        nothing: the answer where something went wrong and nobody is told.
        tells: whether the request is a user's own, who is told.

    Raises:
        asyncio.CancelledError: the client cancelled the request.
        JsonRpcException: there is something to tell the user who asked.
    """
    try:
        return await answering
    except (asyncio.CancelledError, JsonRpcException) as ended:
        if isinstance(ended, AnswerError) and not tells:
            return nothing
        raise
    except Exception as error:
        server.sessions.pop(uri, None)  # nobody knows how far it came
        server.failures.lost(uri, error, options_of(server, uri))
        with contextlib.suppress(Exception):  # what failed may be what this needs
            language = server.documents.language_of(uri) or ""
            server.usage.failed(language, server.model_of(language, uri, load=False).name)
        server.board.changed()
        if not tells:
            return nothing
        raise AnswerError(f"There is no completion: {cause_of(error)}") from None


async def reply(
    server: Server,
    place: Place,
    mode: Trigger,
    show: Callable[[Place, Completion], Answer],
    nothing: Answer,
    *,
    count: int = 1,
) -> Answer | None:
    """Completes at a place.

    Args:
        server: with its models.
        place: from the request.
        mode: whether the user asked.
        show: makes the answer to the client of a completion.
        nothing: the answer where the server is off.
        count: how many completions to choose from are wanted.

    Returns:
        The answer; None, which leaves alone what the client shows, if the request was superseded or there is
        no engine yet, or no more.

    Raises:
        asyncio.CancelledError: the client cancelled the request.
        JsonRpcException: there is something to tell the user who asked.
        Exception: something went wrong with this request.
    """
    began = perf_counter()
    uri, language = place.snapshot.uri, place.snapshot.language
    if off := off_here(server, uri, language, mode):
        server.board.look_at(uri)
        if mode == "invoked" and off.name == LEFT_ALONE:
            raise AnswerError(off.message)
        return nothing
    model = server.model_of(language, uri)
    engine = model.engine
    with server.board.request(uri):
        try:
            completion = await complete(server, model, place, mode, count)
        except EngineFailedError as failed:
            if engine is not None:
                engine_failed(server, model, engine, uri, failed.cause)
                server.failures.without(
                    "counting", uri, lambda: server.usage.failed(language, model.name), None
                )
            return None
    if completion is None:
        return None
    answer = show(place, completion)
    if completion.source == "model" and completion.tokens:
        model.broken_by.clear()
    server.failures.answered(uri)
    server.board.latency_ms = (perf_counter() - began) * 1000
    server.failures.without("counting", uri, lambda: _count(server, place, model, completion), None)
    server.failures.without("logging", uri, lambda: _note(server, completion, mode), None)
    return answer


def _count(server: Server, place: Place, model: Model, completion: Completion) -> None:
    language = place.snapshot.language
    server.usage.answered(language, model.name, server.board.latency_ms or 0.0)
    if completion.text and place.selected is None:
        others = tuple(other.text for other in completion.alternatives)
        shown = Shown(place.position, completion.text, language, model.name, others)
        server.usage.shown(place.snapshot.uri, shown)


def _note(server: Server, completion: Completion, mode: Trigger) -> None:
    text = repr(completion.text) if server.settings.of().log_text else f"{len(completion.text)} characters"
    log.debug(
        "%s, %s: %s of %d tokens in %.1f ms",
        mode,
        completion.reason,
        text,
        completion.tokens,
        server.board.latency_ms,
    )
