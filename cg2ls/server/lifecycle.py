"""`initialize`, `initialized`, the settings, and the end of the editor: what the client can do and the user wants."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lsprotocol import types

from cg2ls.machine import is_running_check
from cg2ls.server import fields, inline_completion, logs, repository_memory, status

if TYPE_CHECKING:
    from cg2ls.server.background import BackgroundTasks
    from cg2ls.server.client import Feature, LanguageClient
    from cg2ls.server.documents import Documents
    from cg2ls.server.fields import FoldersChanged
    from cg2ls.server.models import ModelLoader
    from cg2ls.server.options import Options
    from cg2ls.server.settings import Settings
    from cg2ls.server.status import StatusBoard


log = logging.getLogger(__name__)

SECTION = "cg2ls"
"""Section of the client's settings."""


class Configuration:
    """The client's settings: requested where the client answers, else taken from its notifications.

    Args:
        client: has the settings.
        settings: takes them in.
        documents: the open documents, whose models may change.
        models: opens the models that the settings choose.
        board: shows the status.
        tasks: runs requests to the client.
    """

    def __init__(
        self,
        client: LanguageClient,
        settings: Settings,
        documents: Documents,
        models: ModelLoader,
        board: StatusBoard,
        tasks: BackgroundTasks,
    ) -> None:
        self._client = client
        self._settings = settings
        self._documents = documents
        self._models = models
        self._board = board
        self._tasks = tasks
        self._reported: set[str] = set()
        self._engine_options = _engine_options(settings.of())

    async def begin(self, problems: Sequence[str]) -> None:
        """Put the first settings into force, and register for changes.

        Args:
            problems: sentences about `initializationOptions`.
        """
        if self._is_answered():
            await self._request(problems)
        else:
            self.apply(problems)
        await self._watch()

    def changed(self, params: types.DidChangeConfigurationParams) -> None:
        """Take in changed settings."""
        if self._is_answered():
            self._tasks.start(self._request())
        else:
            self.apply(self._settings.from_editor(section_of(params.settings)))

    def folders_changed(self, change: FoldersChanged) -> None:
        """Take in changed workspace folders."""
        stay = [root for root in self._settings.roots if root not in change.removed]
        self._settings.move_to(dict.fromkeys((*stay, *change.added)))
        if self._is_answered():
            self._tasks.start(self._request())
        else:
            self.apply([])

    def apply(self, problems: Sequence[str]) -> None:
        """Put new settings into force, and show once each sentence about them."""
        new = [problem for problem in problems if problem not in self._reported]
        self._reported.update(new)
        for problem in new:
            self._client.log(types.MessageType.Warning, problem)
        if new:
            self._client.show(types.MessageType.Warning, " ".join(new))
        everywhere, models = self._settings.of(), self._models.models
        if (options := _engine_options(everywhere)) != self._engine_options:
            models.close_all()
            self._engine_options = options
        logs.set_level(everywhere.log_level, quoting=everywhere.log_text)
        places = [(document.language, document.uri) for document in self._documents]
        choices = {(language, self._settings.of(uri, language).model) for language, uri in places}
        models.choose_again({("", everywhere.model), *choices})
        for language, uri in [("", ""), *places]:
            self._models.model_of(language, uri)
        self._board.changed()

    def _is_answered(self) -> bool:
        """Return whether the client answers `workspace/configuration`."""
        workspace = self._client.capabilities.workspace
        return workspace is not None and bool(workspace.configuration)

    async def _request(self, problems: Sequence[str] = ()) -> None:
        """Request the general settings and those of each workspace folder, and put them into force.

        Where a client does not answer, or with an error, the earlier settings stay in force.

        Args:
            problems: sentences about settings taken before, which are not in force yet.
        """
        found = list(problems)
        scopes = (None, *self._settings.roots)
        try:
            answers = await self._client.request_configuration(SECTION, scopes)
        except Exception as error:
            log.warning(
                "The client gave no configuration (%s); the earlier settings stay in force.",
                type(error).__name__,
            )
            answers = None
        for scope, answer in zip(scopes, fields.items(answers), strict=False):
            found += self._settings.from_editor(answer, scope)
        self.apply(found)

    async def _watch(self) -> None:
        """Register for changed settings, if the client wants that."""
        workspace = self._client.capabilities.workspace
        watching = workspace.did_change_configuration if workspace else None
        if watching is not None and watching.dynamic_registration:
            method = types.WORKSPACE_DID_CHANGE_CONFIGURATION
            await self._client.register("cg2ls-settings", method, {"section": SECTION})


@dataclass(eq=False, kw_only=True)
class Handshake:
    """The beginning of a conversation.

    Attributes:
        client: who speaks.
        configuration: puts the first settings into force.
        settings: takes `initializationOptions`.
        documents: the open documents.
        board: shows the status.
        leave: ends the server; called when the editor's process has ended.
        offer_menu: registers `textDocument/completion`, for clients without inline completion.
    """

    client: LanguageClient
    configuration: Configuration
    settings: Settings
    documents: Documents
    board: StatusBoard
    leave: Callable[[], object]
    offer_menu: Callable[[], object]
    _problems: list[str] = field(default_factory=list)

    def initialize(self, params: types.InitializeParams) -> None:
        """Take in what the client can do and what it wants."""
        self.documents.encoding = self.client.position_encoding.value
        folders = [folder.uri for folder in params.workspace_folders or ()]
        self.settings.move_to(folders or ([params.root_uri] if params.root_uri else []))
        self._problems += self.settings.at_start(section_of(params.initialization_options))
        self.board.is_wanted = status.wants_status(params.capabilities)
        self.board.is_copilot_wanted = status.is_copilot_client(params.initialization_options)
        if params.process_id is not None:
            watch_editor(params.process_id, self.client, self.leave)
        if not inline_completion.is_supported(params.capabilities):
            self.offer_menu()

    async def initialized(self) -> None:
        """Put the settings into force, and register for changes."""
        await self.configuration.begin(self._problems)
        await repository_memory.watch(self.client)


def register(feature: Feature, handshake: Handshake) -> None:
    """Register the handlers of the handshake, of settings and of workspace folders."""

    def initialize(params: types.InitializeParams) -> None:
        handshake.initialize(params)

    async def initialized(_: types.InitializedParams) -> None:
        await handshake.initialized()

    def settings_changed(params: types.DidChangeConfigurationParams) -> None:
        handshake.configuration.changed(params)

    def folders_changed(change: FoldersChanged) -> None:
        handshake.configuration.folders_changed(change)

    feature(types.INITIALIZE)(initialize)
    feature(types.INITIALIZED)(initialized)
    feature(types.WORKSPACE_DID_CHANGE_CONFIGURATION)(settings_changed)
    feature(types.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS)(folders_changed)


def section_of(raw: Any) -> Any:
    """Return our part of what a client sends: under `cg2ls`, or all of it."""
    return raw[SECTION] if isinstance(raw, Mapping) and SECTION in raw else raw


def _engine_options(options: Options) -> tuple[object, ...]:
    """Return the options that an engine is opened with; models are opened again when these change."""
    return options.provider, options.threads, options.max_memory_mb, options.unload_after_minutes


EDITOR_POLL_S = 3.0
"""Seconds between two checks."""

EDITOR_GRACE_S = 10.0
"""Seconds for an orderly exit; a stdout without a reader could block it for ever."""


def watch_editor(process_id: int, client: LanguageClient, leave: Callable[[], object]) -> None:
    """Watch the process that `initialize` names, in a thread that does not keep this process alive.

    Args:
        process_id: id of the editor's process.
        client: gets a message before the server leaves.
        leave: lets the server leave in order.
    """
    loop = asyncio.get_running_loop()
    is_running = is_running_check(process_id)

    def report_and_leave() -> None:
        message = (
            f"The editor's process {process_id} does not run on this system, so the server ends. An editor"
            " outside of this container or machine must send null as processId."
        )
        log.warning("%s", message)
        client.log(types.MessageType.Warning, message)
        leave()

    def leave_soon() -> None:
        loop.call_soon_threadsafe(report_and_leave)

    def work() -> None:
        leave_after(is_running, threading.Event().wait, leave_soon)

    threading.Thread(target=work, name="editor", daemon=True).start()


def leave_after(
    is_running: Callable[[], bool],
    wait: Callable[[float], object],
    leave: Callable[[], object],
    end: Callable[[int], object] = os._exit,
) -> None:
    """Wait for the end of a process, then leave; end this process if that takes longer than `EDITOR_GRACE_S`.

    Args:
        is_running: returns whether the process runs.
        wait: waits for a number of seconds.
        leave: lets the server leave in order.
        end: ends this process with an exit status, at once.
    """
    while is_running():
        wait(EDITOR_POLL_S)
    try:
        leave()
    except RuntimeError:  # the loop was closed: the server has ended
        return
    wait(EDITOR_GRACE_S)
    end(1)
