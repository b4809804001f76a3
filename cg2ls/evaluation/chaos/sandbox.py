"""Home, workspace and model of one run, and the faults that happen in them.

All faults are real and stay below the run's own folders, so nothing of the user's is touched. Functions that start a
lasting fault return a function that ends it.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cg2ls.evaluation.simulation.sources import SourceFile

Undo = Callable[[], None]

INDEX_WORKER = b"cg2ls.retrieval.memory.index_worker"

BLOCK_ATTEMPTS = 100

USER_VARIABLES = ("CG2LS_", "XDG_")
"""Prefixes of the variables that would lead the server to folders of the user."""


class UnsupportedFaultError(Exception):
    """A fault that this system cannot produce."""


def kill_child(server: int) -> bool:
    """Kill a process that reads a workspace for the server; tell whether there was one."""
    for child in _children(server):
        try:
            if INDEX_WORKER in Path(f"/proc/{child}/cmdline").read_bytes():
                os.kill(child, signal.SIGKILL)
                return True
        except OSError:
            continue  # it has ended
    return False


def fill_disk(server: int) -> Undo:
    """Prevent files of the server and its children from growing, as on a full disk, by RLIMIT_FSIZE; pipes still work.

    Raises:
        UnsupportedFaultError: only Linux changes the limits of another process.
    """
    if sys.platform != "linux":
        raise UnsupportedFaultError
    from resource import RLIMIT_FSIZE, prlimit

    try:
        before = prlimit(server, RLIMIT_FSIZE)
        for process in (server, *_children(server)):
            prlimit(process, RLIMIT_FSIZE, (0, before[1]))
    except OSError:
        raise UnsupportedFaultError from None

    def undo() -> None:
        try:
            prlimit(server, RLIMIT_FSIZE, before)
        except ProcessLookupError:
            return  # its end is reported elsewhere

    return undo


def remove_cache(place: Sandbox) -> None:
    """Remove the cache folder with all its files."""
    shutil.rmtree(place.cache, ignore_errors=True)


def block_state(place: Sandbox) -> Undo:
    """Replace the state folder by a file.

    Raises:
        UnsupportedFaultError: the server creates the folder again each time.
    """
    for _ in range(BLOCK_ATTEMPTS):
        shutil.rmtree(place.state, ignore_errors=True)
        with suppress(FileExistsError), place.state.open("xb"):  # it exists if the server was faster
            break
    else:
        raise UnsupportedFaultError

    def undo() -> None:
        place.state.unlink(missing_ok=True)
        place.state.mkdir(exist_ok=True)

    return undo


def touch_model(place: Sandbox) -> None:
    """Give the model's files new times."""
    for file in place.model.iterdir():
        os.utime(file)


def replace_model(place: Sandbox) -> None:
    """Rename an identical copy of every model file over it, as an update of a package does.

    Raises:
        UnsupportedFaultError: Windows forbids replacing a file that is mapped.
    """
    for file in sorted(place.model.iterdir()):
        copy = file.with_name(f".{file.name}.new")
        shutil.copyfile(file, copy)
        try:
            copy.replace(file)
        except PermissionError:
            copy.unlink()
            raise UnsupportedFaultError from None


def _children(process: int) -> list[int]:
    """Return the ids of a process's children; none where /proc does not list them."""
    found: list[int] = []
    for task in Path(f"/proc/{process}/task").glob("*/children"):
        try:
            found += map(int, task.read_text().split())
        except OSError:
            continue  # the thread has ended
    return found


class Sandbox:
    """Folders below a temporary one.

    Args:
        folder: an empty folder.
        model: the model's folder, which is copied.
        sources: files of the workspaces, which are written again.

    Attributes:
        home: the server's home.
        cache: cache folder of the server.
        state: state folder of the server.
        model: model of the server.
        roots: the workspaces, one for each repository.
    """

    def __init__(self, folder: Path, model: Path, sources: Sequence[SourceFile]) -> None:
        self.home = folder / "home"
        self.cache, self.state = self.home / "cache", self.home / "state"
        self.model = folder / "model"
        self._code = folder / "code"
        self._by_uri: dict[str, Path] = {}
        for made in (self.home, self.cache, self.state):
            made.mkdir()
        shutil.copytree(model, self.model)
        for source in sources:
            path = self.path_of(source)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(source.text, encoding="utf-8", newline="\n")
            self._by_uri[path.as_uri()] = path
        self.roots = sorted({self._code / source.repository for source in sources})

    def path_of(self, source: SourceFile) -> Path:
        """Return the copy of a file."""
        return self._code / source.repository / source.path

    def path_at(self, uri: str) -> Path:
        """Return the copy that a URI names."""
        return self._by_uri[uri]

    def environment(self) -> dict[str, str]:
        """Return the server's environment: this process's, with all folders in the sandbox."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(USER_VARIABLES)}
        own = {"HOME": self.home, "USERPROFILE": self.home, "LOCALAPPDATA": self.home, "APPDATA": self.home}
        for name in ("cache", "state", "config", "data"):
            own[f"XDG_{name.upper()}_HOME"] = self.home / name
        return kept | {name: str(path) for name, path in own.items()}

    def command(self) -> list[str]:
        """Return the command that starts the server as an editor does."""
        return [sys.executable, "-m", "cg2ls", "--stdio", "--model", str(self.model)]
