"""When an engine breaks: it is opened anew once, and the user is told once."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from lsprotocol import types

from cg2ls.server.loading import begin_loading

if TYPE_CHECKING:
    from cg2ls.server.model import Model
    from cg2ls.server.server import Server

log = logging.getLogger(__name__)


def engine_failed(server: Server, model: Model, wrong: Exception) -> None:
    """An engine raised something; it is closed and opened again, unless that was tried since its last answer.

    The message names the exception's kind and not its text, which may hold code.
    """
    log.error("%s failed (%s)", model.name, type(wrong).__name__, exc_info=wrong)
    if model.engine is None:
        return  # another request of the same engine reported it
    server.sessions.clear()
    if model.reopened:
        problem = f"{model.name} failed again ({type(wrong).__name__}); `cg2ls doctor` looks for the cause."
        model.failed(problem)
        server.window_show_message(types.ShowMessageParams(types.MessageType.Error, f"cg2ls: {problem}"))
    else:
        server.log_message(
            types.MessageType.Error, f"{model.name} failed ({type(wrong).__name__}) and is opened again."
        )
        model.closed()
        model.reopened = True
        begin_loading(server, model)
    server.board.changed()
