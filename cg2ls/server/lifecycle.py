"""`initialize` and `initialized`: what the client can do, what it wants, and opening the model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lsprotocol import types

from cg2ls.server import classic, inline

if TYPE_CHECKING:
    from cg2ls.server.server import Server


def register(server: Server) -> None:
    """Registers the handlers of the handshake."""
    problems_found: list[str] = []

    def initialize(params: types.InitializeParams) -> None:
        chosen = server.protocol.workspace.position_encoding
        server.documents.encoding = types.PositionEncodingKind(chosen).value
        server.options, problems = server.options.with_settings(params.initialization_options)
        problems_found.extend(problems)
        if not inline.supported(params.capabilities):
            classic.register(server)

    def initialized(_: types.InitializedParams) -> None:
        for problem in problems_found:
            server.log_message(types.MessageType.Warning, problem)
        server.model_of("")

    server.feature(types.INITIALIZE)(initialize)
    server.feature(types.INITIALIZED)(initialized)
