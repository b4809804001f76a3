"""When an engine breaks: it is opened anew, and the user is told once."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from lsprotocol import types

from cg2ls.server.failures import options_of
from cg2ls.server.model_loading import begin_loading

if TYPE_CHECKING:
    from cg2ls.completion import CompletionEngine
    from cg2ls.server.app import Server
    from cg2ls.server.models import Model

log = logging.getLogger(__name__)

MAX_IN_A_ROW = 2
"""Times an engine is opened anew before it has answered anything; one document may not cost the others theirs."""


def engine_failed(server: Server, model: Model, engine: CompletionEngine, uri: str, error: Exception) -> None:
    """An engine raised something; it is closed and opened again.

    It stays closed where it broke for two documents, or too often for one, since its last answer.

    Args:
        server: whose model it is.
        model: the engine's.
        engine: that was asked.
        uri: of the document it was asked for.
        error: what it raised. Messages name its kind and not its text, which may hold code.
    """
    if model.engine is not engine:  # it was closed meanwhile, perhaps for another request's report
        log.info("%s ended a request when it was closed (%s).", model.name, type(error).__name__)
        return
    log.error("%s failed (%s)", model.name, type(error).__name__, exc_info=error)
    server.failures.count(uri, error, options_of(server, uri))
    server.sessions.clear()
    model.broken_by.append(uri)
    model.closed()
    if len(set(model.broken_by)) > 1 or len(model.broken_by) > MAX_IN_A_ROW:
        problem = f"{model.name} failed again ({type(error).__name__}); `cg2ls doctor` looks for the cause."
        model.failed(problem)
        server.window_show_message(types.ShowMessageParams(types.MessageType.Error, f"cg2ls: {problem}"))
    else:
        server.log_message(
            types.MessageType.Error, f"{model.name} failed ({type(error).__name__}) and is opened again."
        )
        begin_loading(server, model)
    server.board.changed()
