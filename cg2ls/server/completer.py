"""One completion of an open document, for any kind of request that asks for it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from time import monotonic, perf_counter
from typing import TYPE_CHECKING, TypeVar

from lsprotocol import types
from pygls.exceptions import JsonRpcException, JsonRpcInvalidParams

from cg2ls.completion import Completion, DocumentSession, Trigger
from cg2ls.completion.faults import EngineFailedError
from cg2ls.server.documents import NotOpenError, PositionError, Snapshot
from cg2ls.server.failures import LEFT_ALONE, AnswerError, cause_of, options_of
from cg2ls.server.models import engine_failed
from cg2ls.server.options import completion_options
from cg2ls.server.status import off_here
from cg2ls.server.usage import Shown

if TYPE_CHECKING:
    from cg2ls.completion import CompletionEngine
    from cg2ls.completion.trigger.debounce import Debounce
    from cg2ls.server.app import Server
    from cg2ls.server.models import Model
    from cg2ls.server.options import Options

IDLE_SECONDS = 0.15
"""Without a request for so long, the next completion is worked out ahead: about the gap between two keys."""


class NoModelError(JsonRpcException):
    """LSP's RequestFailed: there is no model to answer with."""

    CODE = types.LSPErrorCodes.RequestFailed.value
    MESSAGE = "No model"


@dataclass(frozen=True)
class Place:
    """Where a request asks for a completion.

    Attributes:
        snapshot: the document at the time of the request.
        position: of the cursor, a column past the line's end moved back to it.
        offset: the same in the document's text.
        selected: what the client's menu has selected; the completion goes on from there as if it stood in
            the document already.
    """

    snapshot: Snapshot
    position: types.Position
    offset: int
    selected: types.SelectedCompletionInfo | None = None

    def text_and_offset(self) -> tuple[str, int]:
        """The text to complete and the offset to complete it at."""
        text = self.snapshot.text
        if self.selected is None:
            return text, self.offset
        start = self.snapshot.offset(self.selected.range.start)
        end = max(self.snapshot.offset(self.selected.range.end), start)
        return text[:start] + self.selected.text + text[end:], start + len(self.selected.text)


def place_of(
    server: Server,
    document: types.TextDocumentIdentifier,
    position: types.Position,
    selected: types.SelectedCompletionInfo | None = None,
) -> Place:
    """Takes the snapshot a request is answered from.

    Raises:
        JsonRpcInvalidParams: the document is not open, or has no such line.
    """
    try:
        snapshot = server.documents.snapshot(document.uri)
        offset = snapshot.offset(position)
        place = Place(snapshot, snapshot.position(position.line, offset), offset, selected)
        if selected:
            snapshot.offset(selected.range.start)
            snapshot.offset(selected.range.end)
    except (NotOpenError, PositionError) as error:
        raise JsonRpcInvalidParams(str(error)) from None
    return place


async def complete(
    server: Server, model: Model, place: Place, mode: Trigger, count: int = 1
) -> Completion | None:
    """Completes at a place, in the decoding thread where the model has to run.

    Args:
        server: with what it knows of the document and its surroundings; where these fail they are left out.
        model: to answer with.
        place: from the request.
        mode: whether the user asked.
        count: how many completions to choose from are wanted.

    Returns:
        None if a newer request of the document came, or the model is not ready.

    Raises:
        NoModelError: the model could not be opened, and the user asked for a completion.
        EngineFailedError: the engine broke.
        Exception: something went wrong with this request.
    """
    engine, failures, uri = model.engine, server.failures, place.snapshot.uri
    if engine is None:
        if model.state == "failed" and mode == "invoked":
            raise NoModelError(model.problem)
        server.tell_not_ready(model)
        return None
    session = _session(server, place.snapshot, engine)
    session.prior_of = failures.without(
        "memory", uri, lambda: server.memory.prior_of(place.snapshot, engine), None
    )
    session.context_of = failures.without(
        "context", uri, lambda: server.prompt_context.context_of(place.snapshot, place.offset, engine), None
    )
    options = server.options_of(uri, place.snapshot.language)
    wait = failures.without("rhythm", uri, lambda: _wait(server.debounce, options, mode), 0.0)
    completion = session.known(*place.text_and_offset(), mode) if count == 1 else None
    if completion is not None:
        server.scheduler.supersede(uri)
    else:
        completion = await server.scheduler.run(
            uri, lambda stop: session.complete(*place.text_and_offset(), mode, stop, count=count), wait=wait
        )
    if completion is None:
        return None
    for fault in completion.faults:
        failures.left_out(uri, fault.hook, fault.error)
    if completion.source == "model" and completion.tokens:
        seconds = completion.latency_ms / 1000
        failures.without("rhythm", uri, lambda: server.debounce.answered(seconds), None)
    if completion.text and options.speculate and failures.may_speculate(uri):
        _speculate_later(server, model, session, place, completion)
    return completion


def _wait(debounce: Debounce, options: Options, mode: Trigger) -> float:
    """Notes a key; seconds to wait before the model runs, and who asks by hand waits for nothing else."""
    debounce.key(monotonic())
    if mode == "invoked":
        return 0.0
    return debounce.wait() if options.delay_ms is None else options.delay_ms / 1000


def _speculate_later(
    server: Server, model: Model, session: DocumentSession, place: Place, shown: Completion
) -> None:
    """Works out what comes after what is shown, once nothing was asked for a moment."""
    uri = place.snapshot.uri

    def work(stop: Callable[[], bool]) -> None:
        for fault in session.speculate(*place.text_and_offset(), shown=shown, stop=stop):
            server.failures.left_out(uri, fault.hook, fault.error)

    def failed(error: Exception) -> None:
        if isinstance(error, EngineFailedError):
            engine_failed(server, model, session.engine, uri, error.cause)
        else:
            server.failures.speculation_lost(uri, error)

    def begin() -> None:
        server.scheduler.when_idle(work, failed)

    asyncio.get_running_loop().call_later(IDLE_SECONDS, begin)


def _session(server: Server, document: Snapshot, engine: CompletionEngine) -> DocumentSession:
    """The document's session, a new one if it was opened anew, or its language, model or options changed."""
    options = completion_options(server.options_of(document.uri, document.language))
    session = server.sessions.get(document.uri)
    if (
        session is None
        or session.engine is not engine
        or session.language != document.language
        or session.options != options
    ):
        session = server.sessions[document.uri] = DocumentSession(engine, document.language, options)
    return session


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
            raise AnswerError(off.says)
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
        others = tuple(other.text for other in completion.others)
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
