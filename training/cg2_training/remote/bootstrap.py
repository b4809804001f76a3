"""Starts a leg on the borrowed machine; packed as `lease.py`, needs nothing but Python.

Pieces may arrive a few at a time. Every call takes those that lie beside this script, checks them, and goes on as
soon as all of them have come.
"""

import hashlib
import json
import shutil
import sys
import tarfile
from pathlib import Path
from typing import Any, BinaryIO

INDEX_FILE = "pack.json"
"""Names, sizes and digests of the pieces, in their order."""

CHUNK = 1 << 20


class JoinedFiles:
    """Files one after the other, as one to read from."""

    def __init__(self, paths: list[Path]) -> None:
        self._left = iter(paths)
        self._file: BinaryIO | None = None

    def read(self, size: int) -> bytes:
        """At most `size` bytes; none at the end of the last file."""
        while True:
            if self._file is None:
                path = next(self._left, None)
                if path is None:
                    return b""
                self._file = path.open("rb")
            if data := self._file.read(size):
                return data
            self._file.close()
            self._file = None


def sha256_of(path: Path) -> str:
    """Hex SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def take_pieces(here: Path, work: Path) -> list[str]:
    """Copy the pieces that are here to `work`/pieces, and gives back the names of those still missing.

    Raises:
        SystemExit: a piece is damaged.
    """
    index: dict[str, Any] = json.loads((here / INDEX_FILE).read_text(encoding="utf-8"))
    kept = work / "pieces"
    kept.mkdir(parents=True, exist_ok=True)
    missing = []
    for piece in index["pieces"]:
        there, arrived = kept / piece["name"], here / piece["name"]
        if not there.exists() and arrived.exists():
            if sha256_of(arrived) != piece["sha256"]:
                raise SystemExit(f"lease: {arrived} is damaged; send it again.")
            shutil.copyfile(arrived, there.with_suffix(".part"))
            there.with_suffix(".part").rename(there)
        if not there.exists():
            missing.append(piece["name"])
    return missing


def unpack(work: Path, names: list[str]) -> Path:
    """Unpack the pieces into `work`/pack, once, and gives back that folder."""
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


def main(arguments: list[str]) -> int:
    """Take pieces, and runs a leg when all are there; the arguments are those of `cg2_training.remote.session`."""
    here = Path(__file__).resolve().parent
    work = Path(arguments[arguments.index("--work") + 1] if "--work" in arguments else "lease-work").resolve()
    index = json.loads((here / INDEX_FILE).read_text(encoding="utf-8"))
    if missing := take_pieces(here, work):
        print(f"lease: waiting for {len(missing)} of {len(index['pieces'])} pieces: {', '.join(missing)}")
        return 0
    folder = unpack(work, [piece["name"] for piece in index["pieces"]])
    sys.path.insert(0, str(folder / "code"))
    from cg2_training.remote.session import main as run_leg

    return run_leg(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
