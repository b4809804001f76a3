"""What kind of source a path is, and the pieces that tasks can read side by side."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cg2_training.corpus.errors import CorpusError

KINDS = ("folder", "git", "wheel", "sdist", "jsonl", "parquet")

_ENDINGS = {
    "wheel": (".whl",),
    "sdist": (".tar.gz", ".tgz"),
    "jsonl": tuple(
        f"{name}{packed}" for name in (".jsonl", ".ndjson", ".json") for packed in ("", ".gz", ".zst")
    ),
    "parquet": (".parquet",),
}


@dataclass(frozen=True, slots=True)
class Place:
    """One file or folder to read.

    Attributes:
        kind: one of KINDS.
    """

    path: Path
    kind: str


def kind_of(path: Path) -> str:
    """The kind of source that a path looks like.

    Raises:
        CorpusError: nothing is there, or its name tells nothing.
    """
    if not path.exists():
        raise CorpusError(f"{path} does not exist; name a folder, a repository, an archive or a dump.")
    if path.is_dir():
        return "git" if (path / ".git").exists() else "folder"
    for kind, endings in _ENDINGS.items():
        if path.name.lower().endswith(endings):
            return kind
    known = ", ".join(ending for endings in _ENDINGS.values() for ending in endings)
    raise CorpusError(f"{path} is no source that can be read; known are folders and files ending in {known}.")


def places_of(pattern: str, kind: str = "") -> list[Place]:
    """Everything that a path or a glob names, in the order of the names.

    A folder without source code of its own, but with dumps in it, is read as those dumps.

    Args:
        pattern: a path or a glob; `~` is the home folder.
        kind: one of KINDS; found by name where empty.

    Raises:
        CorpusError: nothing is there, or something cannot be read.
    """
    expanded = Path(pattern).expanduser()
    found = (
        [expanded]
        if expanded.exists()
        else sorted(Path(expanded.anchor).glob(str(expanded.relative_to(expanded.anchor))))
    )
    if not found:
        raise CorpusError(f"{pattern} names nothing; name a folder, a repository, an archive or a dump.")
    places = []
    for path in found:
        dumps = _dumps_in(path) if path.is_dir() and not kind else []
        places += [Place(dump, kind_of(dump)) for dump in dumps] or [Place(path, kind or kind_of(path))]
    return places


def _dumps_in(folder: Path) -> list[Path]:
    """Parquet files or compressed JSON lines in a folder that is no repository."""
    if (folder / ".git").exists():
        return []
    endings = (*_ENDINGS["parquet"], ".jsonl.zst", ".jsonl.gz", ".json.zst", ".json.gz")
    return sorted(path for path in folder.rglob("*") if path.name.lower().endswith(endings))
