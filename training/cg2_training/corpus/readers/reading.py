"""Detect the kind of a source, and read it with the reader for that kind; folders are read here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cg2_training.corpus.document import Dropped, SourceDocument
from cg2_training.corpus.licences import identify_licence
from cg2_training.corpus.readers.archives import read_npm, read_sdist, read_wheel
from cg2_training.corpus.readers.debian import read_debian
from cg2_training.corpus.readers.dumps import Columns, read_json_lines, read_parquet
from cg2_training.corpus.readers.git import read_checkout
from cg2_training.errors import CorpusError
from cg2ls.workspace import ReadingRules, Workspace

MAX_ENTRIES = 10_000_000
"""Maximum number of files and folders in one source."""


def read_folder(folder: Path, is_wanted: Callable[[str], bool]) -> Iterator[SourceDocument | Dropped]:
    """Yield the files of a folder that may be read.

    Args:
        folder: any folder.
        is_wanted: called with a file's path inside the folder.
    """
    refused: list[Dropped] = []
    workspace = Workspace(folder, ReadingRules(max_files=MAX_ENTRIES, max_entries=MAX_ENTRIES))
    files = workspace.walk(is_wanted, lambda refusal: refused.append(Dropped(f"folder: {refusal.reason}")))
    for path in files:
        relative = path.relative_to(workspace.root).as_posix()
        if is_wanted(relative):
            try:
                yield SourceDocument(path.read_bytes(), relative)
            except OSError:
                yield Dropped("folder: unreadable")
    yield from refused


def read_standard_library(folder: Path, is_wanted: Callable[[str], bool]) -> Iterator[SourceDocument]:
    """Yield the Python files of a standard library, without the rules for folders."""
    for path in sorted(folder.rglob("*.py")):
        relative = path.relative_to(folder).as_posix()
        if is_wanted(relative):
            yield SourceDocument(path.read_bytes(), relative)


KINDS = ("folder", "git", "wheel", "sdist", "npm", "debian", "jsonl", "parquet")
STDLIB = "stdlib"
"""Kind of a standard library; only manifests use it."""

_ENDINGS = {
    "wheel": (".whl",),
    "sdist": (".tar.gz", ".tgz"),
    "debian": (".dsc",),
    "jsonl": tuple(
        f"{name}{packed}" for name in (".jsonl", ".ndjson", ".json") for packed in ("", ".gz", ".zst")
    ),
    "parquet": (".parquet",),
}

_LICENCE_FILE_PREFIXES = ("licence", "license", "copying", "unlicense")

PathFilter = Callable[[str], bool]
"""Returns whether a file with this path is read."""


@dataclass(frozen=True, slots=True)
class Place:
    """One file or folder to read.

    Attributes:
        kind: one of KINDS, or STDLIB.
    """

    path: Path
    kind: str


def detect_kind(path: Path) -> str:
    """Return the kind of source of a path, by its name.

    Raises:
        CorpusError: the path does not exist, or its kind is unknown.
    """
    if not path.exists():
        raise CorpusError(f"{path} does not exist; name a folder, a repository, an archive or a dump.")
    if path.is_dir():
        return "git" if (path / ".git").exists() else "folder"
    for kind, endings in _ENDINGS.items():
        if path.name.lower().endswith(endings):
            return kind
    known = ", ".join(ending for endings in _ENDINGS.values() for ending in endings)
    raise CorpusError(f"{path} is not a known kind of source; name a folder or a file ending in {known}.")


def find_places(pattern: str, kind: str = "") -> list[Place]:
    """Return the places that a path or a glob matches, in the order of their names.

    A folder that is not a repository and contains dumps is read as those dumps.

    Args:
        pattern: a path or a glob; `~` is the home folder.
        kind: one of KINDS; "" detects it by name.

    Raises:
        CorpusError: nothing matches, or a kind is unknown.
    """
    expanded = Path(pattern).expanduser()
    found = (
        [expanded]
        if expanded.exists()
        else sorted(Path(expanded.anchor).glob(str(expanded.relative_to(expanded.anchor))))
    )
    if not found:
        raise CorpusError(f"{pattern} matches nothing; name a folder, a repository, an archive or a dump.")
    places = []
    for path in found:
        dumps = _dumps_in(path) if path.is_dir() and not kind else []
        places += [Place(dump, detect_kind(dump)) for dump in dumps] or [
            Place(path, kind or detect_kind(path))
        ]
    return places


def _dumps_in(folder: Path) -> list[Path]:
    """Return Parquet files and compressed JSON lines in a folder that is not a repository."""
    if (folder / ".git").exists():
        return []
    endings = (*_ENDINGS["parquet"], ".jsonl.zst", ".jsonl.gz", ".json.zst", ".json.gz")
    return sorted(path for path in folder.rglob("*") if path.name.lower().endswith(endings))


def read(
    place: Place,
    is_wanted: PathFilter,
    *,
    columns: Columns | None = None,
    commit: str = "HEAD",
    on_progress: Callable[[float], object] = lambda _: None,
) -> Iterator[SourceDocument | Dropped]:
    """Yield the documents of one place.

    Args:
        place: the file or folder to read.
        is_wanted: called for each file; all rows of dumps are yielded.
        columns: names of a dump's columns, if they are unusual.
        commit: commit of a git repository.
        on_progress: called from time to time with the part that is read, 0 to 1.

    Raises:
        CorpusError: the place is damaged or unreadable.
    """
    try:
        if place.kind == "folder":
            yield from read_folder(place.path, is_wanted)
        elif place.kind == STDLIB:
            yield from read_standard_library(place.path, is_wanted)
        elif place.kind == "git":
            yield from read_checkout(place.path, is_wanted, commit, on_progress)
        elif place.kind == "wheel":
            yield from read_wheel(place.path, is_wanted)
        elif place.kind == "sdist":
            yield from read_sdist(place.path, is_wanted)
        elif place.kind == "npm":
            yield from read_npm(place.path, is_wanted)
        elif place.kind == "debian":
            yield from read_debian(place.path, is_wanted)
        elif place.kind == "jsonl":
            yield from read_json_lines(place.path, columns or Columns(), on_progress)
        elif place.kind == "parquet":
            yield from read_parquet(place.path, columns or Columns(), on_progress)
        else:
            raise CorpusError(f"{place.kind!r} is not a kind of source; choose {', '.join(KINDS)}.")
    except OSError as error:
        raise CorpusError(f"{place.path} cannot be read ({error.strerror or error}).") from error


def find_licence(place: Place, commit: str = "HEAD") -> str:
    """Return the SPDX expression of the licence files in the top folder; "" if one is unknown or none exists.

    Args:
        place: a folder or repository; other kinds declare their licence in another way.
        commit: commit of a repository.
    """
    if place.kind == "folder":
        texts = [
            path.read_text(encoding="utf-8", errors="replace")
            for path in sorted(place.path.iterdir())
            if _is_licence_file(path.name) and path.is_file() and not path.is_symlink()
        ]
    elif place.kind == "git":
        texts = [
            document.data.decode("utf-8", "replace")
            for document in read(
                place, lambda path: "/" not in path and _is_licence_file(path), commit=commit
            )
            if isinstance(document, SourceDocument) and isinstance(document.data, bytes)
        ]
    else:
        return ""
    found = [identify_licence(text) for text in texts]
    if not all(found):
        return ""
    # Several files can mean a choice or that all apply; assuming that all apply is safe.
    return " AND ".join(dict.fromkeys(found))


def _is_licence_file(name: str) -> bool:
    return name.lower().startswith(_LICENCE_FILE_PREFIXES)
