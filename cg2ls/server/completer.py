"""One completion of an open document, for any kind of request that asks for it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import lru_cache
from time import monotonic
from typing import TYPE_CHECKING

from lsprotocol import types
from pygls.exceptions import JsonRpcException, JsonRpcInvalidParams

from cg2ls.completion import Completion, CompletionOptions, DocumentSession, Retrieval, Trigger
from cg2ls.completion.faults import EngineFailedError
from cg2ls.server.documents import NotOpenError, PositionError, Snapshot
from cg2ls.server.engine_recovery import engine_failed

if TYPE_CHECKING:
    from collections.abc import Callable

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
    retrieval = Retrieval(
        failures.without("memory", uri, lambda: server.memory.prior_of(place.snapshot, engine), None),
        failures.without(
            "context",
            uri,
            lambda: server.prompt_context.context_of(place.snapshot, place.offset, engine),
            None,
        ),
    )
    options = server.options_of(uri, place.snapshot.language)
    wait = failures.without("rhythm", uri, lambda: _wait(server.debounce, options, mode), 0.0)
    completion = session.find_known(*place.text_and_offset(), mode) if count == 1 else None
    if completion is not None:
        server.scheduler.supersede(uri)
    else:
        completion = await server.scheduler.run(
            uri,
            lambda stop: session.complete(
                *place.text_and_offset(), mode, stop, count=count, retrieval=retrieval
            ),
            wait=wait,
        )
    if completion is None:
        return None
    for fault in completion.faults:
        failures.left_out(uri, fault.hook, fault.error)
    if completion.source == "model" and completion.tokens:
        seconds = completion.latency_ms / 1000
        failures.without("rhythm", uri, lambda: server.debounce.record_answer(seconds), None)
    if completion.text and options.speculate and failures.may_speculate(uri):
        _speculate_later(server, model, session, place, completion, retrieval)
    return completion


def _wait(debounce: Debounce, options: Options, mode: Trigger) -> float:
    """Notes a key; seconds to wait before the model runs, and who asks by hand waits for nothing else."""
    debounce.record_key(monotonic())
    if mode == "invoked":
        return 0.0
    return debounce.compute_wait() if options.delay_ms is None else options.delay_ms / 1000


def _speculate_later(
    server: Server,
    model: Model,
    session: DocumentSession,
    place: Place,
    shown: Completion,
    retrieval: Retrieval,
) -> None:
    """Works out what comes after what is shown, once nothing was asked for a moment."""
    uri = place.snapshot.uri

    def work(stop: Callable[[], bool]) -> None:
        for fault in session.speculate(*place.text_and_offset(), shown, stop, retrieval=retrieval):
            server.failures.left_out(uri, fault.hook, fault.error)

    def failed(error: Exception) -> None:
        if isinstance(error, EngineFailedError):
            engine_failed(server, model, session.engine, uri, error.cause)
        else:
            server.failures.speculation_lost(uri, error)

    def begin() -> None:
        server.scheduler.run_when_idle(work, failed)

    asyncio.get_running_loop().call_later(IDLE_SECONDS, begin)


@lru_cache
def completion_options(options: Options) -> CompletionOptions:
    """What completion needs of the options that hold in a document."""
    return CompletionOptions(
        enable=options.enable,
        automatic=options.automatic,
        line_tokens=options.line_tokens,
        block_tokens=options.block_tokens,
        max_lines=options.max_lines or None,
        unknown_languages=options.unknown_languages,
        comments=options.comments,
        context_tokens=options.context_tokens,
        min_confidence=options.min_confidence,
    )


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
