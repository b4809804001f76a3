"""Temporary folders that are removed, even after their process was killed.

Each is recorded in a note, a file of the user's cache that the process keeps locked. A note without a lock belongs to
a process that has ended, so its folder is removed.
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

SCRATCH_PREFIX = "cg2-quantize-"

REMOVABLE = re.compile(rf"{SCRATCH_PREFIX}\w+|\..+\.tmp")
"""Names of folders that may be removed: scratch folders, and model folders that were being made."""


@contextmanager
def scratch_folder(inside: Path | None = None) -> Iterator[Path]:
    """Create an empty folder that is removed when the block ends.

    Args:
        inside: parent folder; by default the system's folder for temporary files.
    """
    made = Path(tempfile.mkdtemp(prefix=SCRATCH_PREFIX, dir=inside))
    try:
        with mark_unfinished(made):
            yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


@contextmanager
def mark_unfinished(folder: Path) -> Iterator[None]:
    """Record a folder as unfinished while the block runs."""
    try:
        notes = _notes_folder()
        notes.mkdir(parents=True, exist_ok=True)
        note = notes / f"{folder.name.lstrip('.')}.note"
        held = note.open("w+", encoding="utf-8")
    except (OSError, RuntimeError):  # without a writable home there are no notes
        yield
        return
    try:
        with suppress(OSError):  # without locks no folder is ever seen as abandoned
            lock(held.fileno(), wait=False)
        held.write(str(folder.absolute()))
        held.flush()
        yield
    finally:
        held.close()
        note.unlink(missing_ok=True)


def remove_abandoned_folders() -> None:
    """Remove the unfinished folders of processes that no longer run."""
    with suppress(OSError, RuntimeError):
        for note in _notes_folder().glob("*.note"):
            with suppress(OSError):
                _remove_abandoned(note)


def _remove_abandoned(note: Path) -> None:
    """Remove a note and its folder.

    Raises:
        OSError: its process still runs.
    """
    with note.open("r+", encoding="utf-8") as held:
        lock(held.fileno(), wait=False)
        place = Path(held.read())
    if REMOVABLE.fullmatch(place.name) and place.is_absolute() and place.is_dir() and not place.is_symlink():
        shutil.rmtree(place, ignore_errors=True)
    note.unlink(missing_ok=True)


def _notes_folder() -> Path:
    return cache_folder() / "unfinished"
