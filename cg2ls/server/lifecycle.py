"""`initialize` and `initialized`: what the client can do, what it wants, and opening the model."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from lsprotocol import types

from cg2ls.server import classic, inline
from cg2ls.server.loading import load_model

if TYPE_CHECKING:
    from cg2ls.server.server import Server

log = logging.getLogger(__name__)


def register(server: Server) -> None:
    """Registers the handlers of the handshake."""

    def initialize(params: types.InitializeParams) -> None:
        chosen = server.protocol.workspace.position_encoding
        server.documents.encoding = types.PositionEncodingKind(chosen).value
        server.options, problems = server.options.with_settings(params.initialization_options)
        for problem in problems:
            log.warning("%s", problem)
        if not inline.supported(params.capabilities):
            classic.register(server)

    async def initialized(_: types.InitializedParams) -> None:
        await load_model(server)

    server.feature(types.INITIALIZE)(initialize)
    server.feature(types.INITIALIZED)(initialized)
