"""The end of the editor's process: the server leaves too, even if another process holds its stdin open."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from lsprotocol import types

from cg2ls.machine import is_running_check

if TYPE_CHECKING:
    from cg2ls.server.client import LanguageClient

log = logging.getLogger(__name__)

POLL_S = 3.0
"""Seconds between two checks."""

GRACE_S = 10.0
"""Seconds for an orderly exit; a stdout without a reader could block it for ever."""


def watch(process_id: int, client: LanguageClient, leave: Callable[[], object]) -> None:
    """Watch the process that `initialize` names, in a thread that does not keep this process alive.

    Args:
        process_id: id of the editor's process.
        client: gets a message before the server leaves.
        leave: lets the server leave in order.
    """
    loop = asyncio.get_running_loop()
    is_running = is_running_check(process_id)

    def report_and_leave() -> None:
        message = (
            f"The editor's process {process_id} does not run on this system, so the server ends. An editor"
            " outside of this container or machine must send null as processId."
        )
        log.warning("%s", message)
        client.log(types.MessageType.Warning, message)
        leave()

    def leave_soon() -> None:
        loop.call_soon_threadsafe(report_and_leave)

    def work() -> None:
        leave_after(is_running, threading.Event().wait, leave_soon)

    threading.Thread(target=work, name="editor", daemon=True).start()


def leave_after(
    is_running: Callable[[], bool],
    wait: Callable[[float], object],
    leave: Callable[[], object],
    end: Callable[[int], object] = os._exit,
) -> None:
    """Wait for the end of a process, then leave; end this process if that takes longer than `GRACE_S`.

    Args:
        is_running: returns whether the process runs.
        wait: waits for a number of seconds.
        leave: lets the server leave in order.
        end: ends this process with an exit status, at once.
    """
    while is_running():
        wait(POLL_S)
    try:
        leave()
    except RuntimeError:  # the loop was closed: the server has ended
        return
    wait(GRACE_S)
    end(1)
