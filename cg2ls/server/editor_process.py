"""The editor's death: the server leaves, though somebody else may hold its stdin open."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from lsprotocol import types

from cg2ls.other_process import is_running_check

if TYPE_CHECKING:
    from cg2ls.server.app import Server

log = logging.getLogger(__name__)

POLL_S = 3.0
"""Seconds between two looks."""

GRACE_S = 10.0
"""Seconds the server has to leave in order; a stdout that nobody reads could hold it up for ever."""


def watch(server: Server, process_id: int) -> None:
    """Watches the process that `initialize` names, in a thread that does not keep this one alive."""
    loop = asyncio.get_running_loop()
    is_running = is_running_check(process_id)

    def say_and_leave() -> None:
        message = (
            f"The editor's process {process_id} does not run on this system, so the server ends. An editor"
            " outside of this container or machine must send null as processId."
        )
        log.warning("%s", message)
        server.log_message(types.MessageType.Warning, message)
        server.protocol.leave()

    def leave() -> None:
        loop.call_soon_threadsafe(say_and_leave)

    def work() -> None:
        leave_after(is_running, threading.Event().wait, leave)

    threading.Thread(target=work, name="editor", daemon=True).start()


def leave_after(
    is_running: Callable[[], bool],
    wait: Callable[[float], object],
    leave: Callable[[], object],
    end: Callable[[int], object] = os._exit,
) -> None:
    """Waits for the end of a process, then leaves; ends this process if that takes longer than `GRACE_S`.

    Args:
        is_running: whether the process runs.
        wait: waits for so many seconds.
        leave: lets the server leave in order.
        end: ends this process with an exit status, at once.
    """
    while is_running():
        wait(POLL_S)
    try:
        leave()
    except RuntimeError:  # the loop was closed: the server has left
        return
    wait(GRACE_S)
    end(1)
