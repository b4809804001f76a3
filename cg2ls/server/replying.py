"""What every request for a completion goes through, whichever message it came with."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from time import perf_counter
from typing import TYPE_CHECKING, TypeVar

from pygls.exceptions import JsonRpcException

from cg2ls.server.acceptance import Shown
from cg2ls.server.answering import Place, complete
from cg2ls.server.recovery import engine_failed
from cg2ls.server.silence import off_here

if TYPE_CHECKING:
    from cg2ls.completion import Completion, Trigger
    from cg2ls.server.server import Server

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")


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
    """
    began = perf_counter()
    uri, language = place.snapshot.uri, place.snapshot.language
    if off_here(server, uri, language, mode):
        server.board.look_at(uri)
        return nothing
    model = server.model_of(language, uri)
    with server.board.request(uri):
        try:
            completion = await complete(server, place, mode, count)
        except (asyncio.CancelledError, JsonRpcException):
            raise
        except Exception as wrong:
            engine_failed(server, model, wrong)
            return None
    if completion is None:
        return None
    model.reopened = False
    server.board.latency_ms = (perf_counter() - began) * 1000
    server.usage.answered(language, model.name, server.board.latency_ms)
    if completion.text and place.selected is None:
        others = tuple(other.text for other in completion.others)
        server.usage.shown(uri, Shown(place.position, completion.text, language, model.name, others))
    _note(server, completion, mode)
    return show(place, completion)


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
