"""The server's state and the wiring of its handlers."""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import TYPE_CHECKING, Any

from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer

from cg2ls import __version__
from cg2ls.completion import DocumentSession
from cg2ls.completion.scheduler import Scheduler
from cg2ls.completion.trigger.debounce import Debounce
from cg2ls.server import (
    commands,
    inline_completion,
    lifecycle,
    logs,
    repository_memory,
    status,
    sync,
)
from cg2ls.server.documents import Documents
from cg2ls.server.failures import AnswerError, Failures
from cg2ls.server.models import Model, Models, Opener, begin_loading, open_folder
from cg2ls.server.prompt_context import PromptContextProvider
from cg2ls.server.protocol import Protocol
from cg2ls.server.repository_memory import RepositoryMemory
from cg2ls.server.settings import Settings
from cg2ls.server.status import StatusBoard
from cg2ls.server.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from cg2ls.server.options import Options

log = logging.getLogger(__name__)

SWITCH_S = 0.0005
"""Seconds a thread computes until another may: a key waits so long for work in the background, not Python's 5 ms."""


class Server(LanguageServer):
    """One client's language server.

    Attributes:
        settings: which options hold where.
        open_model: opens a model folder.
        documents: what the client has open.
        sessions: what completing each open document keeps, by URI; used in the decoding thread.
        models: the models and their states.
        background: work that no request waits for.
        scheduler: runs completions.
        debounce: of the user's keys and the model's answers.
        usage: counts what was shown and accepted.
        failures: what went wrong in which document.
        paused: whether the user asked for silence.
        board: tells clients the status.
        memory: what the workspace's own text says.
        prompt_context: its text in front of the prompt.
        wants_status: whether the client takes our status notification.
        wants_copilot_status: whether it takes that of Copilot's server.
    """

    protocol: Protocol

    def __init__(self, settings: Settings, open_model: Opener = open_folder) -> None:
        super().__init__(
            "cg2ls",
            __version__,
            text_document_sync_kind=types.TextDocumentSyncKind.Incremental,
            notebook_document_sync=sync.SYNC,
            protocol_cls=Protocol,
        )
        self.settings = settings
        self.open_model = open_model
        self.documents = Documents()
        self.sessions: dict[str, DocumentSession] = {}
        self.models = Models(settings.flags.get("model"))
        self._problems_told: set[str] = set()
        self._run_by = _run_by(settings.of())
        self.background: set[asyncio.Task[None]] = set()
        self.scheduler = Scheduler()
        self.debounce = Debounce()
        self.usage = Usage(self)
        self.failures = Failures()
        self.paused = False
        self.board = StatusBoard(self)
        self.memory = RepositoryMemory(self)
        self.prompt_context = PromptContextProvider(self)
        self.wants_status = self.wants_copilot_status = False
        for register in (
            *(lifecycle.register, lifecycle.register_configuration, sync.register, sync.register_notebooks),
            *(inline_completion.register, status.register, commands.register, status.register_copilot),
            repository_memory.register,
        ):
            register(self)

    def run(self, over: Callable[[Server], None]) -> int:
        """Serves one client over a transport of `cg2ls.server.transport` until it leaves.

        Returns:
            The exit status LSP asks for: 0 if the client sent `shutdown` first, else 1.
        """
        sys.setswitchinterval(SWITCH_S)
        over(self)
        self.memory.leave()
        self.prompt_context.leave()
        self.scheduler.close()
        self.usage.save()
        return 0 if self.protocol.asked_to_shut_down else 1

    def log_message(self, kind: types.MessageType, message: str) -> None:
        """Writes a line to the client's log."""
        self.window_log_message(types.LogMessageParams(kind, message))

    def options_of(self, uri: str, language: str) -> Options:
        """What holds in a document."""
        return self.settings.of(uri, language)

    def model_of(self, language: str, uri: str = "", *, load: bool = True) -> Model:
        """The model for a document's language ("" for any) and folder; it begins to load when first asked for."""
        model = self.models.of(language, self.settings.of(uri, language).model)
        if load:
            begin_loading(self, model)
        return model

    def in_background(self, work: Coroutine[Any, Any, None]) -> None:
        """Lets work go on that no request waits for."""
        task = asyncio.get_running_loop().create_task(work)
        self.background.add(task)
        task.add_done_callback(self._background_ended)

    def _background_ended(self, task: asyncio.Task[None]) -> None:
        self.background.discard(task)
        if not task.cancelled() and isinstance(error := task.exception(), Exception):
            self.failures.left_out("", "work in the background", error)

    def restart_models(self) -> None:
        """Closes every model and opens anew those that documents want, with what was chosen since."""
        for document in self.documents:
            self.scheduler.supersede(document.uri)
        self.sessions.clear()
        self.memory.forget()
        self.prompt_context.forget()
        self.models.close_all()
        self.settings_changed([])

    def settings_changed(self, problems: Sequence[str]) -> None:
        """Puts new settings into force, and says once what is wrong with them."""
        new = [problem for problem in problems if problem not in self._problems_told]
        self._problems_told.update(new)
        for problem in new:
            self.log_message(types.MessageType.Warning, problem)
        if new:
            message = types.ShowMessageParams(types.MessageType.Warning, f"cg2ls: {' '.join(new)}")
            self.window_show_message(message)
        everywhere = self.settings.of()
        if (run_by := _run_by(everywhere)) != self._run_by:
            self.models.close_all()
            self._run_by = run_by
        logs.set_level(everywhere.log_level, quoting=everywhere.log_text)
        places = [(document.language, document.uri) for document in self.documents]
        choices = {(language, self.settings.of(uri, language).model) for language, uri in places}
        self.models.choose_again({("", everywhere.model), *choices})
        for language, uri in [("", ""), *places]:
            self.model_of(language, uri)
        self.board.changed()

    def tell_not_ready(self, model: Model) -> None:
        """Says once, in the client's log, why completions are missing."""
        if not model.told:
            model.told = True
            why = model.problem or "The model is still loading."
            self.log_message(types.MessageType.Info, f"No completions yet: {why}")

    def report_server_error(self, error: Exception, _: object) -> None:
        """Writes what went wrong to the log; clients get an answer, and users no pop-up per message.

        pygls' own error quotes the text of what was raised, which may hold code.
        """
        raised = sys.exception()
        if isinstance(raised, Exception) and not isinstance(raised, JsonRpcException):
            self.failures.left_out("", "a message", raised)
        elif not isinstance(error, AnswerError):  # which was logged with its cause
            log.warning("A message could not be handled: %s", error)


def _run_by(options: Options) -> tuple[object, ...]:
    """What an open model was opened with; it is opened anew when this changes."""
    return options.provider, options.threads, options.memory_mb, options.unload_after_minutes
