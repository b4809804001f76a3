"""`initialize` and `initialized`: what the client can do, what it wants, and opening the model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lsprotocol import types

from cg2ls.server import (
    completion_menu,
    configuration,
    copilot_messages,
    editor_process,
    inline_completion,
    repository_memory,
    status,
)

if TYPE_CHECKING:
    from cg2ls.server.app import Server


def register(server: Server) -> None:
    """Registers the handlers of the handshake."""
    problems: list[str] = []

    def initialize(params: types.InitializeParams) -> None:
        workspace = server.protocol.workspace
        server.documents.encoding = types.PositionEncodingKind(workspace.position_encoding).value
        folders = [folder.uri for folder in params.workspace_folders or ()]
        server.settings.move_to(folders or ([params.root_uri] if params.root_uri else []))
        problems.extend(server.settings.at_start(configuration.section_of(params.initialization_options)))
        server.wants_status = status.wants_status(params.capabilities)
        server.wants_copilot_status = copilot_messages.is_copilot_client(params.initialization_options)
        if params.process_id is not None:
            editor_process.watch(server, params.process_id)
        if not inline_completion.supported(params.capabilities):
            completion_menu.register(server)

    async def initialized(_: types.InitializedParams) -> None:
        if configuration.asks(server):
            await configuration.ask(server, problems)
        else:
            server.settings_changed(problems)
        await configuration.watch(server)
        await repository_memory.watch(server)

    server.feature(types.INITIALIZE)(initialize)
    server.feature(types.INITIALIZED)(initialized)
