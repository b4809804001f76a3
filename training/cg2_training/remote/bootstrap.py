"""Start of a session on the remote machine; packed as `remote_session.py`, it needs only Python.

Pieces may arrive a few at a time. Every call takes those in this script's folder, checks them, and starts the session
once all have arrived.
"""

import hashlib
import json
import shutil
import sys
import tarfile
from pathlib import Path
from typing import Any, BinaryIO

INDEX_FILE = "pack.json"
"""File with the names, sizes and digests of the pieces, in order."""

DEFAULT_WORK = "remote-work"
OLD_DEFAULT_WORK = "lease-work"
"""Default work folder of older packs, used if it exists."""


class JoinedFiles:
    """Several files, read one after the other like one file."""

    def __init__(self, paths: list[Path]) -> None:
        self._remaining = iter(paths)
        self._file: BinaryIO | None = None

    def read(self, size: int) -> bytes:
        """Read at most `size` bytes; no bytes mean the end of the last file."""
        while True:
            if self._file is None:
                path = next(self._remaining, None)
                if path is None:
                    return b""
                self._file = path.open("rb")
            if data := self._file.read(size):
                return data
            self._file.close()
            self._file = None


def sha256_of(path: Path) -> str:
    """Return the hex SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def take_pieces(source_folder: Path, work: Path) -> list[str]:
    """Copy the pieces that have arrived to `work`/pieces; return the names of the missing ones.

    Raises:
        SystemExit: a piece is damaged.
    """
    index: dict[str, Any] = json.loads((source_folder / INDEX_FILE).read_text(encoding="utf-8"))
    store = work / "pieces"
    store.mkdir(parents=True, exist_ok=True)
    missing = []
    for piece in index["pieces"]:
        stored, arrived = store / piece["name"], source_folder / piece["name"]
        if not stored.exists() and arrived.exists():
            if sha256_of(arrived) != piece["sha256"]:
                raise SystemExit(f"remote-session: {arrived} is damaged; send it again.")
            shutil.copyfile(arrived, stored.with_suffix(".part"))
            stored.with_suffix(".part").rename(stored)
        if not stored.exists():
            missing.append(piece["name"])
    return missing


def unpack(work: Path, names: list[str]) -> Path:
    """Unpack the pieces once into `work`/pack, and return that folder."""
    folder = work / "pack"
    if folder.exists():
        return folder
    new = work / "pack.part"
    shutil.rmtree(new, ignore_errors=True)
    joined: Any = JoinedFiles([work / "pieces" / name for name in names])
    with tarfile.open(fileobj=joined, mode="r|xz") as archive:
        archive.extractall(new, filter="data")
    new.rename(folder)
    return folder


def find_work_folder(arguments: list[str]) -> Path:
    """Return the folder that `--work` names, or the default one."""
    for number, argument in enumerate(arguments):
        if argument == "--work" and number + 1 < len(arguments):
            return Path(arguments[number + 1]).resolve()
        if argument.startswith("--work="):
            return Path(argument.removeprefix("--work=")).resolve()
    old = Path(OLD_DEFAULT_WORK)
    return (old if old.is_dir() else Path(DEFAULT_WORK)).resolve()


def main(arguments: list[str]) -> int:
    """Take pieces, and run a session once all are there; `cg2_training.remote.session` has the arguments."""
    source_folder = Path(__file__).resolve().parent
    work = find_work_folder(arguments)
    index = json.loads((source_folder / INDEX_FILE).read_text(encoding="utf-8"))
    if missing := take_pieces(source_folder, work):
        print(
            f"remote-session: waiting for {len(missing)} of {len(index['pieces'])} pieces: {', '.join(missing)}"
        )
        return 0
    folder = unpack(work, [piece["name"] for piece in index["pieces"]])
    sys.path.insert(0, str(folder / "code"))
    from cg2_training.remote.session import main as run_session

    return run_session([*arguments, "--work", str(work)])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
