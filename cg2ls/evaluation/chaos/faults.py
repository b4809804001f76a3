"""What goes wrong around the server: its child dies, the disk is full, folders vanish, the model is touched.

All of it happens for real and below the run's own folders. Functions that begin something lasting give back what
ends it.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cg2ls.evaluation.chaos.surroundings import Surroundings

Undo = Callable[[], None]

MEMORYS_CHILD = b"cg2ls.retrieval.memory.index_worker"


class ImpossibleError(Exception):
    """A fault that cannot be had on this system."""


def kill_child(server: int) -> bool:
    """Kills a process that reads a workspace for the server; whether there was one."""
    for child in _children(server):
        try:
            if MEMORYS_CHILD in Path(f"/proc/{child}/cmdline").read_bytes():
                os.kill(child, signal.SIGKILL)
                return True
        except OSError:
            continue  # it ended meanwhile
    return False


def fill_disk(server: int) -> Undo:
    """Lets no file of the server or its children grow, as on a full disk, by RLIMIT_FSIZE; pipes go on.

    Raises:
        ImpossibleError: only Linux changes the limits of another process.
    """
    if sys.platform != "linux":
        raise ImpossibleError
    from resource import RLIMIT_FSIZE, prlimit

    try:
        before = prlimit(server, RLIMIT_FSIZE)
        for process in (server, *_children(server)):
            prlimit(process, RLIMIT_FSIZE, (0, before[1]))
    except OSError:
        raise ImpossibleError from None

    def undo() -> None:
        try:
            prlimit(server, RLIMIT_FSIZE, before)
        except ProcessLookupError:
            return  # that it died is noticed elsewhere

    return undo


def remove_cache(place: Surroundings) -> None:
    """Removes the cache folder with all that is in it."""
    shutil.rmtree(place.cache, ignore_errors=True)


def block_state(place: Surroundings) -> Undo:
    """Puts a file in the state folder's place."""
    shutil.rmtree(place.state, ignore_errors=True)
    place.state.write_bytes(b"")

    def undo() -> None:
        place.state.unlink(missing_ok=True)
        place.state.mkdir(exist_ok=True)

    return undo


def touch_model(place: Surroundings) -> None:
    """Gives the model's files new times."""
    for file in place.model.iterdir():
        os.utime(file)


def replace_model(place: Surroundings) -> None:
    """Renames an identical copy of every file of the model over it, as an update of a package does.

    Raises:
        ImpossibleError: Windows lets nobody replace a file that is mapped.
    """
    for file in sorted(place.model.iterdir()):
        copy = file.with_name(f".{file.name}.new")
        shutil.copyfile(file, copy)
        try:
            copy.replace(file)
        except PermissionError:
            copy.unlink()
            raise ImpossibleError from None


def _children(process: int) -> list[int]:
    """Ids of a process's children; none where /proc does not tell."""
    found: list[int] = []
    for task in Path(f"/proc/{process}/task").glob("*/children"):
        try:
            found += map(int, task.read_text().split())
        except OSError:
            continue  # the thread ended meanwhile
    return found
