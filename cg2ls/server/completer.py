"""Completion of an open document, from the snapshot to the answer, for every kind of request."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from time import monotonic, perf_counter
from typing import TYPE_CHECKING, TypeVar

from lsprotocol import types
from pygls.exceptions import JsonRpcException, JsonRpcInvalidParams

from cg2ls.completion import Completion, DocumentSession, Retrieval, Trigger
from cg2ls.completion.faults import EngineFailedError
from cg2ls.completion.scheduler import Scheduler
from cg2ls.completion.trigger import Debounce
from cg2ls.completion.types import SupportsTiming
from cg2ls.server.documents import NotOpenError
from cg2ls.server.failures import LEFT_ALONE, AnswerError, cause_of
from cg2ls.server.options import completion_options
from cg2ls.server.snapshot import CompletionPlace, PositionError, Snapshot
from cg2ls.server.speculation import SpeculatedAnswer, Speculation
from cg2ls.server.usage import Shown

if TYPE_CHECKING:
    from cg2ls.completion import CompletionEngine
    from cg2ls.server.documents import Documents
    from cg2ls.server.failures import Failures
    from cg2ls.server.models import Model, ModelLoader
    from cg2ls.server.options import Options
    from cg2ls.server.prompt_context import PromptContextProvider
    from cg2ls.server.repository_memory import RepositoryMemory
    from cg2ls.server.settings import Settings
    from cg2ls.server.status import StatusBoard, SuppressedDocuments
    from cg2ls.server.usage import Usage

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")


class NoModelError(JsonRpcException):
    """LSP's RequestFailed: there is no model to answer with."""

    CODE = types.LSPErrorCodes.RequestFailed.value
    MESSAGE = "No model"


@dataclass(eq=False, kw_only=True)
class Completer:
    """Completion of open documents; an error in one request affects that request alone.

    Attributes:
        documents: the open documents.
        settings: which options are in force where.
        models: which model answers.
        suppressed: documents in which nothing is completed.
        memory: gives the prior of the workspace's own text.
        prompt_context: gives the text of other files for the prompt.
        failures: where errors are recorded.
        usage: counts what is shown.
        board: shows the status.
        scheduler: runs completions in the decoding thread.
        debounce: timing of the user's keys and the model's answers.
        on_request: receives the place of each request; returns whether its prompt was read ahead, and None if it is no
            new place.
        sessions: the completion state of each open document, by URI; used in the decoding thread.
    """

    documents: Documents
    settings: Settings
    models: ModelLoader
    suppressed: SuppressedDocuments
    memory: RepositoryMemory
    prompt_context: PromptContextProvider
    failures: Failures
    usage: Usage
    board: StatusBoard
    scheduler: Scheduler = field(default_factory=Scheduler)
    debounce: Debounce = field(default_factory=Debounce)
    on_request: Callable[[CompletionPlace], bool | None] = lambda _: None
    sessions: dict[str, DocumentSession] = field(default_factory=dict)

    def find_place(
        self,
        document: types.TextDocumentIdentifier,
        position: types.Position,
        selected: types.SelectedCompletionInfo | None = None,
    ) -> CompletionPlace:
        """Take the snapshot that a request is answered from.

        Raises:
            JsonRpcInvalidParams: the document is not open, or has no such line.
        """
        try:
            snapshot = self.documents.snapshot(document.uri)
            offset = snapshot.offset(position)
            place = CompletionPlace(snapshot, snapshot.position(position.line, offset), offset, selected)
            if selected:
                snapshot.offset(selected.range.start)
                snapshot.offset(selected.range.end)
        except (NotOpenError, PositionError) as error:
            raise JsonRpcInvalidParams(str(error)) from None
        return place

    def candidate_count(self, place: CompletionPlace) -> int:
        """Return how many completions the user wants to choose from."""
        return self.settings.of(place.snapshot.uri, place.snapshot.language).candidates

    async def contain(
        self, uri: str, answering: Awaitable[Answer | None], nothing: Answer, *, is_reported: bool
    ) -> Answer | None:
        """Await the answer to one request; contain every error in it.

        Args:
            uri: URI of the document.
            answering: the answer.
            nothing: the answer if the request failed and the client does not report it.
            is_reported: whether the user made the request, and sees its error.

        Raises:
            asyncio.CancelledError: the client cancelled the request.
            JsonRpcException: there is an error to show to the user.
        """
        try:
            return await answering
        except (asyncio.CancelledError, JsonRpcException) as ended:
            if isinstance(ended, AnswerError) and not is_reported:
                return nothing
            raise
        except Exception as error:
            self.sessions.pop(uri, None)  # its state is unknown now
            self.failures.lost(uri, error)
            with contextlib.suppress(Exception):  # what failed may be what this needs
                language = self.documents.language_of(uri) or ""
                self.usage.failed(language, self.models.model_of(language, uri, load=False).name)
            self.board.changed()
            if not is_reported:
                return nothing
            raise AnswerError(f"There is no completion: {cause_of(error)}") from None

    async def reply(
        self,
        place: CompletionPlace,
        trigger: Trigger,
        to_answer: Callable[[CompletionPlace, Completion], Answer],
        nothing: Answer,
        *,
        count: int = 1,
    ) -> Answer | None:
        """Complete at a place, and record the outcome.

        Args:
            place: where to complete.
            trigger: whether the user asked.
            to_answer: converts a completion to the client's answer.
            nothing: the answer if completion is off.
            count: number of completions to choose from.

        Returns:
            The answer; None, on which the client keeps what it shows, if the request was superseded or no engine
            can answer.

        Raises:
            asyncio.CancelledError: the client cancelled the request.
            JsonRpcException: there is an error to show to the user.
            Exception: this request failed.
        """
        began = perf_counter()
        uri, language = place.snapshot.uri, place.snapshot.language
        if off := self.suppressed.find(uri, language, trigger):
            self.board.look_at(uri)
            if trigger == "invoked" and off.name == LEFT_ALONE:
                raise AnswerError(off.message)
            return nothing
        model = self.models.model_of(language, uri)
        engine = model.engine
        is_read = self.on_request(place)
        with self.board.request(uri):
            try:
                completion = await self.complete(model, place, trigger, count)
            except EngineFailedError as failed:
                if engine is not None:
                    self.models.engine_failed(model, engine, uri, failed.cause)
                    self.failures.without(
                        "counting", uri, lambda: self.usage.failed(language, model.name), None
                    )
                return None
        if completion is None:
            return None
        answer = to_answer(place, completion)
        if completion.source == "model" and completion.tokens:
            model.broken_by.clear()
        self.failures.answered(uri)
        self.board.latency_ms = (perf_counter() - began) * 1000
        self.failures.without("counting", uri, lambda: self._count(place, model, completion, is_read), None)
        self.failures.without("logging", uri, lambda: self._log(completion, trigger), None)
        return answer

    async def complete(
        self, model: Model, place: CompletionPlace, trigger: Trigger, count: int = 1
    ) -> Completion | None:
        """Complete at a place, in the decoding thread where the model has to run.

        Memory, context and timing are left out if they fail.

        Args:
            model: the model to answer with.
            place: where to complete.
            trigger: whether the user asked.
            count: number of completions to choose from.

        Returns:
            None if a newer request of the document came, or the model is not ready.

        Raises:
            NoModelError: the model could not be opened, and the request was manual.
            EngineFailedError: the engine failed.
            Exception: this request failed.
        """
        engine, failures, uri = model.engine, self.failures, place.snapshot.uri
        if engine is None:
            if model.state == "failed" and trigger == "invoked":
                raise NoModelError(model.problem)
            self.models.report_not_ready(model)
            return None
        session = self.session_of(place.snapshot, engine)
        retrieval = self.retrieval_of(place, engine)
        options = self.settings.of(uri, place.snapshot.language)
        wait = failures.without("rhythm", uri, lambda: self._wait(options, trigger), 0.0)
        completion = session.find_known(*place.text_and_offset(), trigger) if count == 1 else None
        generation_s = 0.0
        if completion is not None:
            self.scheduler.supersede(uri)
        else:

            def work(stop: Callable[[], bool]) -> tuple[Completion, float]:
                found = session.complete(
                    *place.text_and_offset(), trigger, stop, count=count, retrieval=retrieval
                )
                reading_ms = engine.last.prefill_ms if isinstance(engine, SupportsTiming) else 0.0
                return found, max(0.0, found.latency_ms - reading_ms) / 1000

            result = await self.scheduler.run(
                uri,
                work,
                wait=wait,
                prepare=lambda stop: session.read_ahead(*place.text_and_offset(), stop, retrieval),
            )
            if result is None:
                return None
            completion, generation_s = result
        for fault in completion.faults:
            failures.left_out(uri, fault.hook, fault.error)
        if completion.source == "model" and completion.tokens:
            failures.without("rhythm", uri, lambda: self.debounce.record_answer(generation_s), None)
        if options.speculate:
            self._speculate_later(model, session, place, completion, retrieval)
        return completion

    def retrieval_of(self, place: CompletionPlace, engine: CompletionEngine) -> Retrieval:
        """Return the sources of information from other files; one that fails is left out."""
        uri, snapshot = place.snapshot.uri, place.snapshot
        return Retrieval(
            self.failures.without("memory", uri, lambda: self.memory.prior_of(snapshot, engine), None),
            self.failures.without(
                "context", uri, lambda: self.prompt_context.context_of(snapshot, place.offset, engine), None
            ),
        )

    def _wait(self, options: Options, trigger: Trigger) -> float:
        """Record a key; return the seconds to wait before the model runs, none for a manual request."""
        self.debounce.record_key(monotonic())
        if trigger == "invoked":
            return 0.0
        return self.debounce.compute_wait() if options.delay_ms is None else options.delay_ms / 1000

    def session_of(self, document: Snapshot, engine: CompletionEngine) -> DocumentSession:
        """Return the document's session, a new one if its language, model or options changed."""
        options = completion_options(self.settings.of(document.uri, document.language))
        describes = self.usage.is_watching
        session = self.sessions.get(document.uri)
        if (
            session is None
            or session.engine is not engine
            or session.language != document.language
            or session.options != options
            or session.describes != describes
        ):
            session = self.sessions[document.uri] = DocumentSession(
                engine,
                document.language,
                options,
                describes=describes,
                own_gate=self.usage.own_gate(engine.model),
            )
        return session

    def _speculate_later(
        self,
        model: Model,
        session: DocumentSession,
        place: CompletionPlace,
        completion: Completion,
        retrieval: Retrieval,
    ) -> None:
        text, offset = place.text_and_offset()
        answer = SpeculatedAnswer(
            uri=place.snapshot.uri,
            text=text,
            offset=offset,
            completion=completion,
            count=self.candidate_count(place),
            retrieval=retrieval,
        )
        ahead = Speculation(scheduler=self.scheduler, models=self.models, failures=self.failures)
        ahead.begin_later(model, session, answer)

    def _count(
        self, place: CompletionPlace, model: Model, completion: Completion, is_read: bool | None
    ) -> None:
        language = place.snapshot.language
        self.usage.answered(language, model.name, self.board.latency_ms or 0.0)
        if is_read is not None and completion.source == "model":
            self.usage.visited(language, model.name, is_read=is_read)
        if completion.text and place.selected is None:
            others = tuple(other.text for other in completion.alternatives)
            uri, engine = place.snapshot.uri, model.engine
            watched = self.usage.watch(uri, engine.model, completion) if engine else None
            shown = Shown(place.position, completion.text, language, model.name, others, watched=watched)
            self.usage.shown(uri, shown)

    def _log(self, completion: Completion, trigger: Trigger) -> None:
        is_quoted = self.settings.of().log_text
        log.debug(
            "%s, %s: %s of %d tokens in %.1f ms",
            trigger,
            completion.reason,
            repr(completion.text) if is_quoted else f"{len(completion.text)} characters",
            completion.tokens,
            self.board.latency_ms,
        )
