"""What to collect: sources, their licences, what is held out, which benchmarks to keep clear of."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, get_args

from cg2_training.corpus.draft import Content
from cg2_training.corpus.errors import CorpusError
from cg2_training.corpus.readers import KINDS, Place, places_of
from cg2_training.corpus.readers.columns import Columns
from cg2_training.corpus.rules.language import TEXTS, named
from cg2_training.corpus.sources import excluded
from cg2ls.workspace.languages import LANGUAGES

_VENDORS = (
    *("_vendor", "_vendored", "vendor", "vendored", "third_party", "_third_party", "thirdparty", "extern"),
    *("_extern", "externals", "external", "bundled", "site-packages", "node_modules", "dist", "build"),
)
VENDORED = (*(f"*/{folder}/*" for folder in _VENDORS), "*.min.js", "*_pb2.py", "*_pb2_grpc.py")
"""Copies of other projects, with licences of their own, and what tools wrote."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


@dataclass(frozen=True, kw_only=True)
class SourceSpec:
    """One source of a collection.

    Attributes:
        path: a path or glob: a folder, a git repository, a wheel, an sdist, JSON lines or Parquet.
        kind: one of `readers.KINDS`; found by name where empty.
        content: "code", or "text" for natural language.
        licence: SPDX expression of documents that say nothing themselves, or "own".
        heldout: part of the documents that is held out, 0 to 1; of a dump, by repository.
        languages: LSP ids to keep; none keeps all that are known.
        exclude: globs of paths that are left out, beside VENDORED.
        commit: of a git repository.
        columns: of a dump, where they are not the usual ones.
    """

    name: str
    path: str
    kind: str = ""
    content: Content = "code"
    licence: str = ""
    heldout: float = 0.02
    languages: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    commit: str = "HEAD"
    columns: Columns = field(default_factory=Columns)

    def places(self) -> list[Place]:
        """What there is to read."""
        return places_of(self.path, self.kind)

    def wants(self, path: str) -> bool:
        """Whether a file of this path is worth opening."""
        language = named(path)
        kinds = LANGUAGES.values() if self.content == "code" else TEXTS.values()
        if language not in kinds or (self.languages and language not in self.languages):
            return False
        return not excluded(path, VENDORED + self.exclude)


@dataclass(frozen=True)
class Collection:
    """Everything that decides a corpus, apart from the sources' own bytes.

    Attributes:
        name: of the file it was read from, or "command line".
        sources: names differ; where texts repeat each other, the first source keeps its copy.
        benchmarks: files in JSON lines whose items stay out.
    """

    name: str
    sources: tuple[SourceSpec, ...]
    benchmarks: tuple[Path, ...] = ()

    @property
    def digest(self) -> str:
        """Hex SHA-256 of what it says."""
        return hashlib.sha256(repr(self).encode()).hexdigest()


def load_collection(path: Path) -> Collection:
    """Reads a collection from TOML: `benchmarks`, and a table `[source.NAME]` for each source.

    Paths are relative to the file.

    Raises:
        CorpusError: the file is missing or damaged, or says something unknown or impossible.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CorpusError(f"cannot read the collection {path}: {error}.") from None
    unknown = set(raw) - {"source", "benchmarks"}
    if unknown:
        raise CorpusError(
            f"{path}: unknown key {sorted(unknown)[0]!r}; known are benchmarks and [source.NAME]."
        )
    tables = raw.get("source")
    if not isinstance(tables, dict) or not tables:
        raise CorpusError(f"{path} names no source; add a table such as [source.code] with a path.")
    sources = tuple(_source(name, table, path) for name, table in tables.items())
    benchmarks = _words(raw.get("benchmarks", []), f"{path}: benchmarks")
    return Collection(path.name, sources, tuple(path.parent / Path(one).expanduser() for one in benchmarks))


def collection_of(
    paths: Sequence[Path], benchmarks: Sequence[Path] = (), **options: str | float
) -> Collection:
    """A collection of paths given on the command line, each a source of its own with the same options."""
    names: list[str] = []
    for path in paths:
        stem = re.sub(r"[^A-Za-z0-9_-]+", "-", path.expanduser().absolute().name.split(".")[0]).strip("-")
        name, number = stem or "source", 2
        while name in names:
            name, number = f"{stem}-{number}", number + 1
        names.append(name)
    sources = tuple(
        _checked(SourceSpec(name=name, path=str(path), **options), "the command line")  # type: ignore[arg-type]
        for name, path in zip(names, paths, strict=True)
    )
    return Collection("command line", sources, tuple(benchmarks))


def _source(name: str, table: Any, origin: Path) -> SourceSpec:
    where = f"{origin}: [source.{name}]"
    if not _NAME.fullmatch(name):
        raise CorpusError(f"{where}: a name has letters, digits, dots, dashes and underscores.")
    known = {one.name for one in fields(SourceSpec)} - {"name"}
    if not isinstance(table, dict) or not isinstance(table.get("path"), str):
        raise CorpusError(f"{where} needs a path.")
    for key in table:
        if key not in known:
            raise CorpusError(f"{where}: unknown key {key!r}; known are {', '.join(sorted(known))}.")
    values = dict(table)
    for key in ("languages", "exclude"):
        values[key] = tuple(_words(table.get(key, []), f"{where}: {key}"))
    values["columns"] = _columns(table.get("columns", {}), where)
    values["path"] = str(origin.parent / Path(table["path"]).expanduser())
    return _checked(SourceSpec(name=name, **values), where)


def _columns(table: Any, where: str) -> Columns:
    known = [one.name for one in fields(Columns)]
    if not isinstance(table, Mapping) or not all(
        key in known and isinstance(value, str) for key, value in table.items()
    ):
        raise CorpusError(f"{where}: columns gives names for some of {', '.join(known)}.")
    return Columns(**table)


def _words(value: Any, where: str) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise CorpusError(f"{where} must be a list of strings.")
    return value


def _checked(spec: SourceSpec, where: str) -> SourceSpec:
    if spec.kind and spec.kind not in KINDS:
        raise CorpusError(f"{where}: kind is {spec.kind!r}; choose {', '.join(KINDS)}.")
    if spec.content not in get_args(Content):
        raise CorpusError(f"{where}: content is {spec.content!r}; choose {', '.join(get_args(Content))}.")
    if not all(isinstance(value, str) for value in (spec.kind, spec.licence, spec.commit)):
        raise CorpusError(f"{where}: kind, licence and commit must be strings.")
    if (
        isinstance(spec.heldout, bool)
        or not isinstance(spec.heldout, int | float)
        or not 0 <= spec.heldout < 1
    ):
        raise CorpusError(f"{where}: heldout is {spec.heldout!r}, but is a part between 0 and 1.")
    return spec
