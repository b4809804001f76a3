"""Opening the model behind the client's back."""

from __future__ import annotations

import asyncio
import logging
import uuid
from typing import TYPE_CHECKING

from lsprotocol import types

from cg2ls.errors import Cg2Error

if TYPE_CHECKING:
    from cg2ls.server.server import Server

log = logging.getLogger(__name__)


async def load_model(server: Server) -> None:
    """Opens the model in a thread, while the server goes on answering.

    The client sees progress if it can show it, and one message if the model cannot be opened.
    """
    server.model.state = "loading"
    token = await _begin_progress(server)
    try:
        engine = await asyncio.to_thread(server.open_model, server.options)
    except Cg2Error as wrong:
        _failed(server, str(wrong))
    except Exception as wrong:
        log.exception("The model could not be opened")
        _failed(server, f"The model could not be opened ({wrong}); `cg2ls doctor` looks for the cause.")
    else:
        server.model.ready(engine)
        server.log_message(types.MessageType.Info, f"{engine.model.name} is ready.")
    finally:
        if token is not None:
            server.work_done_progress.end(token, types.WorkDoneProgressEnd(message=server.model.state))


def _failed(server: Server, problem: str) -> None:
    server.model.failed(problem)
    message = types.ShowMessageParams(types.MessageType.Error, f"cg2ls: {problem}")
    server.window_show_message(message)


async def _begin_progress(server: Server) -> str | None:
    """A progress token the client took, with the work begun; None if it shows no progress."""
    window = server.client_capabilities.window
    if window is None or not window.work_done_progress:
        return None
    token = f"cg2ls-{uuid.uuid4()}"
    try:
        await server.work_done_progress.create_async(token)
    except Exception:  # the client refused; loading goes on without
        return None
    server.work_done_progress.begin(token, types.WorkDoneProgressBegin(title="cg2ls: loading the model"))
    return token
