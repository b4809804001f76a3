"""Reading the Python files of a wheel or of the standard library without importing either."""

import sys
import sysconfig
import zipfile
from collections.abc import Iterator
from email.message import Message
from email.parser import BytesParser
from fnmatch import fnmatchcase
from pathlib import Path

from cg2_training.corpus.errors import FetchError

STDLIB_LICENCE = "PSF-2.0"


def excluded(path: str, globs: tuple[str, ...]) -> bool:
    """Whether a path matches a glob; the path is tried with a leading slash, so `*/x/*` means any `x`."""
    return any(fnmatchcase("/" + path, glob) or fnmatchcase(path, glob) for glob in globs)


def read_metadata(wheel: Path) -> tuple[Message, str]:
    """Read what a wheel says about itself.

    Returns:
        The parsed METADATA and the text of its licence file, empty where there is none.

    Raises:
        FetchError: the file is no wheel.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            names = archive.namelist()
            own = [n for n in names if n.count("/") == 1 and n.endswith(".dist-info/METADATA")]
            message = BytesParser().parsebytes(archive.read(own[0]))
            folder = own[0].removesuffix("METADATA")
            texts = sorted(
                (n for n in names if n.startswith(folder) and "licen" in n[len(folder) :].lower()),
                key=lambda n: (n.count("/"), n),
            )
            texts = [n for n in texts if not n.endswith("/")]
            text = archive.read(texts[0]).decode("utf-8", "replace") if texts else ""
    except (OSError, zipfile.BadZipFile, IndexError) as error:
        raise FetchError(f"{wheel.name} is not a readable wheel; delete it from the cache.") from error
    return message, text


def wheel_files(wheel: Path, exclude: tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
    """Yield path and bytes of each Python file of a wheel, in the order of their paths."""
    with zipfile.ZipFile(wheel) as archive:
        for name in sorted(archive.namelist()):
            # Scripts and headers live in NAME.data; only installed packages are wanted.
            if name.endswith(".py") and ".data/" not in name and not excluded(name, exclude):
                yield name, archive.read(name)


def stdlib_files(exclude: tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
    """Yield path and bytes of each Python file of the running interpreter's standard library."""
    root = Path(sysconfig.get_path("stdlib"))
    for path in sorted(root.rglob("*.py")):
        name = path.relative_to(root).as_posix()
        installed = {"site-packages", "dist-packages"} & set(path.relative_to(root).parts)
        if not installed and not excluded(name, exclude):
            yield name, path.read_bytes()


def stdlib_label() -> str:
    """The standard library as a source, such as ``python==3.11.9``."""
    return "python==" + ".".join(map(str, sys.version_info[:3]))
