"""The editor's settings: asked for where the client answers, taken as they come where it does not."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lsprotocol import types

if TYPE_CHECKING:
    from cg2ls.server.server import Server

log = logging.getLogger(__name__)

SECTION = "cg2ls"
PATIENCE_S = 5.0
"""A client that does not answer in this time has no settings."""


def register(server: Server) -> None:
    """Registers the handlers of settings and workspace folders."""

    def changed(params: types.DidChangeConfigurationParams) -> None:
        if asks(server):
            server.in_background(ask(server))
        else:
            server.settings_changed(server.settings.from_editor(section_of(params.settings)))

    def folders_changed(_: types.DidChangeWorkspaceFoldersParams) -> None:
        server.settings.move_to(server.protocol.workspace.folders)
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

    Args:
        server: whose settings they become.
        problems: of settings taken before, which are not in force yet.
    """
    found = list(problems)
    scopes = (None, *server.settings.roots)
    items = [types.ConfigurationItem(scope_uri=scope, section=SECTION) for scope in scopes]
    try:
        asked = server.workspace_configuration_async(types.ConfigurationParams(items=items))
        answers = await asyncio.wait_for(asked, PATIENCE_S)
    except Exception as wrong:
        log.warning(
            "The client gave no configuration (%s); what was said before holds.", type(wrong).__name__
        )
        return
    for scope, answer in zip(scopes, answers or (), strict=False):
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
        asked = server.client_register_capability_async(types.RegistrationParams([registration]))
        await asyncio.wait_for(asked, PATIENCE_S)
    except Exception as wrong:
        log.info("The client does not tell of changed settings (%s).", type(wrong).__name__)


def section_of(raw: Any) -> Any:
    """Our part of what a client sends: under `cg2ls`, or all of it."""
    return raw[SECTION] if isinstance(raw, Mapping) and SECTION in raw else raw
