"""Write files and folders completely or not at all."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path

from cg2ls.errors import NO_ROOM, Cg2Error
from cg2ls.system import lock, take_place

LOCK = ".unfinished"
"""File in a folder that is being made, locked by the process that makes it."""


def write_atomically(path: Path, data: bytes | str, *, mode: int = 0o644) -> None:
    """Write a file under a temporary name in the same folder, then rename it to `path`.

    Args:
        path: path of the file.
        data: content of the file.
        mode: permissions of the file; 0o600 keeps others from reading it at any moment.
    """
    raw = data.encode("utf-8") if isinstance(data, str) else data
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(mode)
        take_place(Path(temporary), path)
    except BaseException as error:
        Path(temporary).unlink(missing_ok=True)
        _name_place(error, Path(temporary), path)
        raise


class OutputError(Cg2Error):
    """A folder must not be replaced."""


def check_replaceable(folder: Path, proof: str) -> None:
    """Refuse to replace a folder that is not empty and lacks the file `proof`, which shows its kind.

    Raises:
        OutputError: see above.
    """
    if not folder.exists() or (folder.is_dir() and all(path.name == LOCK for path in folder.iterdir())):
        return
    if not (folder / proof).is_file():
        raise OutputError(f"{folder} exists and has no {proof}, so it is not replaced; choose another name.")


@contextmanager
def replacing_folder(folder: Path, *, proof: str) -> Iterator[Path]:
    """Yield an empty folder that replaces `folder` when the block succeeds, and is removed otherwise.

    The previous folder stays until the new one is complete. Leftovers of a process that was killed are
    removed first.

    Args:
        folder: the folder to make.
        proof: a file that a folder of this kind has; see `check_replaceable`.

    Raises:
        OutputError: a folder of another kind is at this path.
    """
    check_replaceable(folder, proof)
    folder = folder.absolute()
    folder.parent.mkdir(parents=True, exist_ok=True)
    _remove_left_behind(folder)
    try:
        new = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".tmp", dir=folder.parent))
    except OSError as error:
        error.filename = str(folder)
        raise
    try:
        with (new / LOCK).open("wb") as held:
            with suppress(OSError):  # a file system without locks: no folder counts as a leftover
                lock(held.fileno())
            yield new
        (new / LOCK).unlink(missing_ok=True)
        new.chmod(0o755)
        take_folders_place(new, folder)
    except BaseException as error:
        shutil.rmtree(new, ignore_errors=True)
        _name_place(error, new, folder)
        raise


def _name_place(error: BaseException, new: Path, place: Path) -> None:
    """Give an error of the system the path that the user knows, instead of a temporary one or none."""
    if not isinstance(error, OSError):
        return
    path = error.filename
    is_inside = isinstance(path, str | os.PathLike) and Path(path).is_relative_to(new)
    if is_inside or (path is None and error.errno in NO_ROOM):
        error.filename = str(place)


def _remove_left_behind(folder: Path) -> None:
    """Remove unfinished folders of the same name whose process has ended, as their lock shows."""
    for left in folder.parent.glob(f".{escape(folder.name)}.*.tmp"):
        try:
            with (left / LOCK).open("r+b") as held:
                lock(held.fileno(), wait=False)
        except OSError:
            continue
        shutil.rmtree(left, ignore_errors=True)


def take_folders_place(new: Path, folder: Path) -> None:
    """Rename a folder to `folder` on the same disk, replacing a folder that is there.

    Raises:
        OSError: the rename failed; the previous folder is restored.
    """
    if not folder.exists():
        take_place(new, folder)
        return
    old = new.with_name(new.name + ".old")
    take_place(folder, old)
    try:
        take_place(new, folder)
    except OSError:
        take_place(old, folder)
        raise
    shutil.rmtree(old, ignore_errors=True)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's content as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
