"""The server: its services, and the wiring of its handlers. No other module imports this one."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer

from cg2ls import __version__
from cg2ls.server import (
    commands,
    completion_menu,
    inline_completion,
    lifecycle,
    repository_memory,
    status,
    sync,
)
from cg2ls.server.background import BackgroundTasks
from cg2ls.server.client import LanguageClient
from cg2ls.server.completer import Completer
from cg2ls.server.documents import Documents
from cg2ls.server.failures import AnswerError, Failures
from cg2ls.server.models import ModelLoader, Models, Opener, open_folder
from cg2ls.server.prompt_context import PromptContextProvider
from cg2ls.server.protocol import ServerProtocol
from cg2ls.server.reading_ahead import ReadingAhead
from cg2ls.server.repository_memory import RepositoryMemory
from cg2ls.server.status import StatusBoard, SuppressedDocuments
from cg2ls.server.usage import Usage
from cg2ls.system import keep_large_blocks_apart

if TYPE_CHECKING:
    from collections.abc import Callable

    from cg2ls.server.settings import Settings

log = logging.getLogger(__name__)

SWITCH_S = 0.0005
"""Seconds that a thread computes before another may. Background work delays a key by this, not by Python's 5 ms."""


class Server(LanguageServer):
    """Language server of one client.

    Args:
        settings: which options are in force where.
        open_model: opens a model folder.

    Attributes:
        client: who speaks.
        settings: which options are in force where.
        documents: what the client has open.
        failures: what failed in which document.
        tasks: work that no request waits for.
        loader: opens the models; `models` has their states.
        suppressed: documents in which nothing is completed.
        board: sends the status to the client.
        usage: counts what was shown and accepted.
        memory: the prior of the workspace's own text.
        prompt_context: text of other files for the prompt.
        completer: completes documents.
        reading_ahead: reads the text around the cursor before a request.
        configuration: puts the client's settings into force.
    """

    protocol: ServerProtocol

    def __init__(self, settings: Settings, open_model: Opener = open_folder) -> None:
        super().__init__(
            "cg2ls",
            __version__,
            text_document_sync_kind=types.TextDocumentSyncKind.Incremental,
            notebook_document_sync=sync.NOTEBOOKS,
            protocol_cls=ServerProtocol,
        )
        self.client = client = LanguageClient(self)
        self.settings = settings
        self.documents = Documents()
        self.failures = Failures(settings, self.documents)
        self.tasks = BackgroundTasks(self.failures)
        self.models = Models(settings.flags.get("model"))
        self.loader = ModelLoader(
            settings=settings,
            open_model=open_model,
            client=client,
            failures=self.failures,
            tasks=self.tasks,
            models=self.models,
        )
        self.suppressed = SuppressedDocuments(self.documents, settings, self.loader, self.failures)
        self.board = StatusBoard(client, self.documents, self.loader, self.suppressed, self.failures)
        self.usage = Usage(settings, self.failures)
        self.memory = RepositoryMemory(
            settings, self.documents, self.loader, client, self.failures, self.tasks
        )
        self.prompt_context = PromptContextProvider(settings, self.models, self.failures)
        self.completer = Completer(
            documents=self.documents,
            settings=settings,
            models=self.loader,
            suppressed=self.suppressed,
            memory=self.memory,
            prompt_context=self.prompt_context,
            failures=self.failures,
            usage=self.usage,
            board=self.board,
        )
        self.reading_ahead = ReadingAhead(self.completer)
        self.configuration = lifecycle.Configuration(
            client, settings, self.documents, self.loader, self.board, self.tasks
        )
        # Services that were made before what they report to:
        self.loader.on_ready = self._model_ready
        self.completer.on_request = self.reading_ahead.note_request
        self.loader.on_change = self.board.changed
        # What was answered without the workspace, or by an engine that failed, is computed again.
        self.memory.on_built = self.loader.on_engine_failed = self.completer.sessions.clear
        self._register(client)

    def _register(self, client: LanguageClient) -> None:
        """Register every handler."""
        document_sync = sync.DocumentSync(
            client=client,
            documents=self.documents,
            settings=self.settings,
            models=self.loader,
            completer=self.completer,
            reading_ahead=self.reading_ahead,
            memory=self.memory,
            prompt_context=self.prompt_context,
            failures=self.failures,
            usage=self.usage,
            board=self.board,
        )
        self.protocol.on_unreadable_message = document_sync.message_lost
        handshake = lifecycle.Handshake(
            client=client,
            configuration=self.configuration,
            settings=self.settings,
            documents=self.documents,
            board=self.board,
            leave=self.protocol.leave,
            offer_menu=lambda: completion_menu.register(self.feature, self.completer),
        )
        menu = commands.Commands(
            documents=self.documents,
            settings=self.settings,
            configuration=self.configuration,
            models=self.loader,
            completer=self.completer,
            suppressed=self.suppressed,
            board=self.board,
            failures=self.failures,
            usage=self.usage,
            on_restart=self.restart_models,
        )
        lifecycle.register(self.feature, handshake)
        sync.register(self.feature, document_sync)
        inline_completion.register(self.feature, self.completer)
        status.register(self.feature, self.board, self.reading_ahead.focused)
        commands.register(self.command, menu)
        repository_memory.register(self.feature, self.memory, self.prompt_context)

    def _model_ready(self) -> None:
        self.memory.prepare()
        self.reading_ahead.model_ready()

    def run(self, serve: Callable[[ServerProtocol], None]) -> int:
        """Serve one client over a transport of `cg2ls.server.transport` until it leaves.

        Returns:
            The exit status that LSP requires: 0 if the client sent `shutdown` first, else 1.
        """
        sys.setswitchinterval(SWITCH_S)
        keep_large_blocks_apart()
        serve(self.protocol)
        self.memory.leave()
        self.prompt_context.leave()
        self.completer.scheduler.close()
        self.usage.save()
        return 0 if self.protocol.asked_to_shut_down else 1

    def restart_models(self) -> None:
        """Close every model and open those that documents need, with the choices made since."""
        for document in self.documents:
            self.completer.scheduler.supersede(document.uri)
        self.completer.sessions.clear()
        self.memory.forget()
        self.prompt_context.forget()
        self.models.close_all()
        self.configuration.apply([])

    def report_server_error(self, error: Exception, _: object) -> None:
        """Log an error; clients get an answer, and users see no pop-up per message.

        pygls' own error quotes the text of what was raised, which may hold code.
        """
        raised = sys.exception()
        if isinstance(raised, Exception) and not isinstance(raised, JsonRpcException):
            self.failures.left_out("", "a message", raised)
        elif not isinstance(error, AnswerError):  # which was logged with its cause
            log.warning("A message could not be handled: %s", error)
