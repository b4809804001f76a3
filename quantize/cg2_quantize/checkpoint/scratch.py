"""Temporary folders that vanish, even those of a process that was killed.

Each is noted in a file of the user's cache that the process keeps locked. A note that nobody has locked is of a
process that is gone; its folder is removed, wherever it lies.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from cg2ls.models.folder.locations import cache_folder
from cg2ls.system import lock

if TYPE_CHECKING:
    from collections.abc import Iterator

PREFIX = "cg2-quantize-"

OURS = re.compile(rf"{PREFIX}\w+|\..+\.tmp")
"""Names of folders that are removed: scratch, and model folders that were being made. Nothing else ever is."""


@contextmanager
def scratch_folder(inside: Path | None = None) -> Iterator[Path]:
    """A new empty folder that is removed when the block ends.

    Args:
        inside: where to make it; by default the system's place for temporary files.
    """
    made = Path(tempfile.mkdtemp(prefix=PREFIX, dir=inside))
    try:
        with mark_unfinished(made):
            yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


@contextmanager
def mark_unfinished(folder: Path) -> Iterator[None]:
    """Notes a folder as unfinished while the block runs."""
    try:
        notes = _notes()
        notes.mkdir(parents=True, exist_ok=True)
        note = notes / f"{folder.name.lstrip('.')}.note"
        held = note.open("w+", encoding="utf-8")
    except (OSError, RuntimeError):  # no home, or one that cannot be written: then nothing is noted
        yield
        return
    try:
        with suppress(OSError):  # a file system without locks: nothing is ever taken for left behind
            lock(held.fileno(), wait=False)
        held.write(str(folder.absolute()))
        held.flush()
        yield
    finally:
        held.close()
        note.unlink(missing_ok=True)


def remove_abandoned_folders() -> None:
    """Removes what processes that are gone had noted."""
    with suppress(OSError, RuntimeError):
        for note in _notes().glob("*.note"):
            with suppress(OSError):
                _remove(note)


def _remove(note: Path) -> None:
    """Removes a note and its folder.

    Raises:
        OSError: its process lives.
    """
    with note.open("r+", encoding="utf-8") as held:
        lock(held.fileno(), wait=False)
        place = Path(held.read())
    if OURS.fullmatch(place.name) and place.is_absolute() and place.is_dir() and not place.is_symlink():
        shutil.rmtree(place, ignore_errors=True)
    note.unlink(missing_ok=True)


def _notes() -> Path:
    return cache_folder() / "unfinished"
