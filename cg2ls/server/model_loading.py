"""Opening models behind the client's back."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, cast

from lsprotocol import types

from cg2ls.errors import Cg2Error

if TYPE_CHECKING:
    from cg2ls.server.app import Server
    from cg2ls.server.models import Model

log = logging.getLogger(__name__)

T = TypeVar("T")


def begin_loading(server: Server, model: Model) -> None:
    """Starts opening a model that nobody has asked for before; does nothing for others."""
    if model.state == "waiting":
        model.state = "loading"
        server.in_background(_load(server, model))


async def _load(server: Server, model: Model) -> None:
    """Opens a model in a thread, while the server goes on answering.

    The client sees progress if it can show it, and one message if the model cannot be opened.
    """
    if model.folder is None:
        _failed(server, model, model.problem)
        return
    server.board.changed()
    progress = asyncio.create_task(_begin_progress(server))
    try:
        engine = await _in_thread(server.open_model, model.folder, server.settings.of(), _teller(server))
    except Cg2Error as error:
        _failed(server, model, str(error))
    except Exception as error:
        log.exception("The model could not be opened")
        _failed(
            server, model, f"The model could not be opened ({error}); `cg2ls doctor` looks for the cause."
        )
    else:
        if not model.wanted:  # another was chosen meanwhile
            return
        model.ready(engine)
        server.memory.prepare()
        server.log_message(types.MessageType.Info, f"{engine.model.name} is ready.")
    finally:
        server.board.changed()
        server.in_background(_end_progress(server, progress, model.state))


async def _in_thread(work: Callable[..., T], *arguments: Any) -> T:
    """Runs work in a thread that does not keep the process alive: who leaves does not wait for a model."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, wrong: Exception | None) -> None:
        if done.cancelled():
            return
        if wrong is None:
            done.set_result(cast("T", result))
        else:
            done.set_exception(wrong)

    def run() -> None:
        result, wrong = None, None
        try:
            result = work(*arguments)
        except Exception as raised:
            wrong = raised
        with contextlib.suppress(RuntimeError):  # the loop was closed: the server has left
            loop.call_soon_threadsafe(settle, result, wrong)

    threading.Thread(target=run, name="load", daemon=True).start()
    return await done


def _teller(server: Server) -> Callable[[str], None]:
    """Takes what an engine says, in its own thread, to the client's log."""
    loop = asyncio.get_running_loop()

    def say(sentence: str) -> None:
        server.log_message(types.MessageType.Warning, sentence)
        server.board.changed()

    def tell(sentence: str) -> None:
        with contextlib.suppress(RuntimeError):  # the loop was closed: the server has left
            loop.call_soon_threadsafe(say, sentence)

    return tell


def _failed(server: Server, model: Model, problem: str) -> None:
    model.failed(problem)
    message = types.ShowMessageParams(types.MessageType.Error, f"cg2ls: {problem}")
    server.window_show_message(message)
    server.board.changed()


async def _end_progress(server: Server, progress: asyncio.Task[str | None], message: str) -> None:
    """Ends progress that the client may still have to agree to; the model does not wait for that."""
    token = await progress
    if token is not None:
        server.work_done_progress.end(token, types.WorkDoneProgressEnd(message=message))


async def _begin_progress(server: Server) -> str | None:
    """A progress token the client took, with the work begun; None if it shows no progress."""
    window = server.client_capabilities.window
    if window is None or not window.work_done_progress:
        return None
    token = f"cg2ls-{uuid.uuid4()}"
    try:
        await server.work_done_progress.create_async(token)
    except Exception:  # the client refused, or does not answer; loading goes on without
        return None
    server.work_done_progress.begin(token, types.WorkDoneProgressBegin(title="cg2ls: loading the model"))
    return token
