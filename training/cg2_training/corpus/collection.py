"""Collections: the sources of a corpus, with their licences, limits and held-out parts."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args

from cg2_training.corpus.document import Content
from cg2_training.corpus.readers import KINDS, Place, find_places
from cg2_training.corpus.readers.dumps import Columns
from cg2_training.corpus.rules.language import TEXT_LANGUAGES, language_of_path
from cg2_training.corpus.rules.quality import is_excluded
from cg2_training.corpus.rules.redaction import PersonalDataPolicy, SecretPolicy
from cg2_training.errors import CorpusError
from cg2ls.workspace.languages import LANGUAGES

_VENDOR_FOLDERS = (
    *("_vendor", "_vendored", "vendor", "vendored", "third_party", "_third_party", "thirdparty", "extern"),
    *("_extern", "externals", "external", "bundled", "site-packages", "node_modules", "dist", "build"),
)
VENDORED = (*(f"*/{folder}/*" for folder in _VENDOR_FOLDERS), "*.min.js", "*_pb2.py", "*_pb2_grpc.py")
"""Globs of copies of other projects, which have their own licences, and of generated files."""

Layout = Literal["sources", "contents", "splits"]
"""Files of a corpus: one for each source and split, for each kind of content and split, or for each split."""

_SOURCE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


@dataclass(frozen=True, kw_only=True)
class SourceSpec:
    """One source of a collection.

    Attributes:
        path: path or glob of a folder, a git repository, a wheel, an sdist, an npm package, a Debian source package
            (.dsc), JSON lines or Parquet.
        kind: one of `readers.KINDS`; "" detects it by name.
        content: "code", or "text" for natural language.
        licence: SPDX expression of documents that state none, or "own".
        heldout: part of the documents that is held out, 0 to 1. Dumps are split by repository.
        languages: LSP ids to keep; empty keeps all known languages.
        exclude: globs of paths that are not read.
        commit: commit of a git repository to read.
        columns: column names of a dump, if they are unusual.
        secrets: "redact" replaces keys and tokens; "drop" drops documents that contain one.
        personal_data: "redact" replaces e-mail and IP addresses; "keep" leaves them.
        max_bytes: limit of the kept UTF-8 bytes; None for no limit.
        max_test_share: limit of the part of the kept bytes that is in test files, 0 to 1.
    """

    name: str
    path: str
    kind: str = ""
    content: Content = "code"
    licence: str = ""
    heldout: float = 0.02
    languages: tuple[str, ...] = ()
    exclude: tuple[str, ...] = VENDORED
    commit: str = "HEAD"
    columns: Columns = field(default_factory=Columns)
    secrets: SecretPolicy = "redact"
    personal_data: PersonalDataPolicy = "redact"
    max_bytes: int | None = None
    max_test_share: float = 1.0

    @property
    def is_held_out(self) -> bool:
        """Return whether all documents are held out."""
        return self.heldout >= 1

    def places(self) -> list[Place]:
        """Return the files and folders to read."""
        return find_places(self.path, self.kind)

    def wants(self, path: str) -> bool:
        """Return whether a file with this path is read."""
        language = language_of_path(path)
        kinds = LANGUAGES.values() if self.content == "code" else TEXT_LANGUAGES.values()
        if language not in kinds or (self.languages and language not in self.languages):
            return False
        return not is_excluded(path, self.exclude)


@dataclass(frozen=True)
class Collection:
    """Everything that determines a corpus except the content of its sources.

    Attributes:
        name: name of its file, or "command line".
        sources: sources with distinct names. The first source that has a text keeps it.
        benchmarks: JSON-lines files whose items are dropped.
        layout: layout of the corpus folder.
        file_sha256: hex digest of its file, if that alone determines the corpus.
    """

    name: str
    sources: tuple[SourceSpec, ...]
    benchmarks: tuple[Path, ...] = ()
    layout: Layout = "sources"
    file_sha256: str = ""

    @property
    def digest(self) -> str:
        """Return the hex SHA-256 of all fields."""
        return hashlib.sha256(repr(self).encode()).hexdigest()


def load_collection(path: Path) -> Collection:
    """Read a collection from TOML: `benchmarks`, and a table `[source.NAME]` for each source.

    Paths are relative to the file.

    Raises:
        CorpusError: the file is missing or damaged, or has an unknown key or invalid value.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CorpusError(f"cannot read the collection {path}: {error}.") from None
    unknown = set(raw) - {"source", "benchmarks"}
    if unknown:
        raise CorpusError(
            f"{path}: unknown key {sorted(unknown)[0]!r}; the known keys are benchmarks and [source.NAME]."
        )
    tables = raw.get("source")
    if not isinstance(tables, dict) or not tables:
        raise CorpusError(f"{path} has no source; add a table such as [source.code] with a path.")
    sources = tuple(_source(name, table, path) for name, table in tables.items())
    benchmarks = _string_list(raw.get("benchmarks", []), f"{path}: benchmarks")
    return Collection(path.name, sources, tuple(path.parent / Path(one).expanduser() for one in benchmarks))


def collection_from_paths(
    paths: Sequence[Path], benchmarks: Sequence[Path] = (), **options: str | float
) -> Collection:
    """Return a collection with one source for each path, all with the same options."""
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
    if not _SOURCE_NAME.fullmatch(name):
        raise CorpusError(f"{where}: a name consists of letters, digits, dots, dashes and underscores.")
    known = {one.name for one in fields(SourceSpec)} - {"name"}
    if not isinstance(table, dict) or not isinstance(table.get("path"), str):
        raise CorpusError(f"{where} needs a path.")
    for key in table:
        if key not in known:
            raise CorpusError(f"{where}: unknown key {key!r}; the known keys are {', '.join(sorted(known))}.")
    values = dict(table)
    values["languages"] = tuple(_string_list(table.get("languages", []), f"{where}: languages"))
    values["exclude"] = VENDORED + tuple(_string_list(table.get("exclude", []), f"{where}: exclude"))
    values["columns"] = _columns(table.get("columns", {}), where)
    values["path"] = str(origin.parent / Path(table["path"]).expanduser())
    return _checked(SourceSpec(name=name, **values), where)


def _columns(table: Any, where: str) -> Columns:
    known = [one.name for one in fields(Columns)]
    if not isinstance(table, Mapping) or not all(
        key in known and isinstance(value, str) for key, value in table.items()
    ):
        raise CorpusError(f"{where}: columns must be a table of names for some of {', '.join(known)}.")
    return Columns(**table)


def _string_list(value: Any, where: str) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise CorpusError(f"{where} must be a list of strings.")
    return value


def _checked(spec: SourceSpec, where: str) -> SourceSpec:
    choices = {"content": Content, "secrets": SecretPolicy, "personal_data": PersonalDataPolicy}
    known = {"kind": ("", *KINDS)} | {key: get_args(choice) for key, choice in choices.items()}
    for key, values in known.items():
        if getattr(spec, key) not in values:
            raise CorpusError(
                f"{where}: {key} is {getattr(spec, key)!r}; choose {', '.join(filter(None, values))}."
            )
    if not isinstance(spec.licence, str) or not isinstance(spec.commit, str):
        raise CorpusError(f"{where}: licence and commit must be strings.")
    if not is_share(spec.heldout) or spec.heldout == 1:
        raise CorpusError(f"{where}: heldout is {spec.heldout!r}; it must be a number from 0 to below 1.")
    if spec.max_bytes is not None and (type(spec.max_bytes) is not int or spec.max_bytes < 1):
        raise CorpusError(f"{where}: max_bytes is {spec.max_bytes!r}; it must be a whole number, 1 or more.")
    if not is_share(spec.max_test_share):
        raise CorpusError(
            f"{where}: max_test_share is {spec.max_test_share!r}; it must be a number from 0 to 1."
        )
    return spec


def is_share(value: object) -> bool:
    """Return whether a value is a number from 0 to 1."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1
