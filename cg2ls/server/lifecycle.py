"""`initialize` and `initialized`: what the client can do, what it wants, and opening the model."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lsprotocol import types

from cg2ls.server import (
    completion_menu,
    editor_process,
    fields,
    inline_completion,
    repository_memory,
    status,
)

if TYPE_CHECKING:
    from cg2ls.server.app import Server
    from cg2ls.server.received import FoldersChanged


def register(server: Server) -> None:
    """Registers the handlers of the handshake."""
    problems: list[str] = []

    def initialize(params: types.InitializeParams) -> None:
        workspace = server.protocol.workspace
        server.documents.encoding = types.PositionEncodingKind(workspace.position_encoding).value
        folders = [folder.uri for folder in params.workspace_folders or ()]
        server.settings.move_to(folders or ([params.root_uri] if params.root_uri else []))
        problems.extend(server.settings.at_start(section_of(params.initialization_options)))
        server.wants_status = status.wants_status(params.capabilities)
        server.wants_copilot_status = status.is_copilot_client(params.initialization_options)
        if params.process_id is not None:
            editor_process.watch(server, params.process_id)
        if not inline_completion.supported(params.capabilities):
            completion_menu.register(server)

    async def initialized(_: types.InitializedParams) -> None:
        if asks(server):
            await ask(server, problems)
        else:
            server.settings_changed(problems)
        await watch(server)
        await repository_memory.watch(server)

    server.feature(types.INITIALIZE)(initialize)
    server.feature(types.INITIALIZED)(initialized)


log = logging.getLogger(__name__)

SECTION = "cg2ls"


def register_configuration(server: Server) -> None:
    """Registers the handlers of settings and workspace folders."""

    def changed(params: types.DidChangeConfigurationParams) -> None:
        if asks(server):
            server.in_background(ask(server))
        else:
            server.settings_changed(server.settings.from_editor(section_of(params.settings)))

    def folders_changed(change: FoldersChanged) -> None:
        stay = [root for root in server.settings.roots if root not in change.removed]
        server.settings.move_to(dict.fromkeys((*stay, *change.added)))
        if asks(server):
            server.in_background(ask(server))
        else:
            server.settings_changed([])

    server.feature(types.WORKSPACE_DID_CHANGE_CONFIGURATION)(changed)
    server.feature(types.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS)(folders_changed)


def asks(server: Server) -> bool:
    """Whether the client answers `workspace/configuration`."""
    workspace = server.client_capabilities.workspace
    return workspace is not None and bool(workspace.configuration)


async def ask(server: Server, problems: Sequence[str] = ()) -> None:
    """Gets the general settings and those of each workspace folder, and puts them into force.

    A client that does not answer, or with an error, has said nothing new: what was said before holds.

    Args:
        server: whose settings they become.
        problems: of settings taken before, which are not in force yet.
    """
    found = list(problems)
    scopes = (None, *server.settings.roots)
    items = [types.ConfigurationItem(scope_uri=scope, section=SECTION) for scope in scopes]
    try:
        answers: object = await server.workspace_configuration_async(types.ConfigurationParams(items=items))
    except Exception as error:
        log.warning(
            "The client gave no configuration (%s); what was said before holds.", type(error).__name__
        )
        answers = None
    for scope, answer in zip(scopes, fields.items(answers), strict=False):
        found += server.settings.from_editor(answer, scope)
    server.settings_changed(found)


async def watch(server: Server) -> None:
    """Asks a client to tell of changed settings, if it wants to be asked."""
    workspace = server.client_capabilities.workspace
    told = workspace.did_change_configuration if workspace else None
    if told is None or not told.dynamic_registration:
        return
    method = types.WORKSPACE_DID_CHANGE_CONFIGURATION
    registration = types.Registration(
        id="cg2ls-settings", method=method, register_options={"section": SECTION}
    )
    try:
        await server.client_register_capability_async(types.RegistrationParams([registration]))
    except Exception as error:
        log.info("The client does not tell of changed settings (%s).", type(error).__name__)


def section_of(raw: Any) -> Any:
    """Our part of what a client sends: under `cg2ls`, or all of it."""
    return raw[SECTION] if isinstance(raw, Mapping) and SECTION in raw else raw
