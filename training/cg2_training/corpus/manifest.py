"""The hand-written list of what the corpus is made of."""

import hashlib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from cg2_training.corpus.errors import LicenceError, ManifestError
from cg2_training.corpus.licences import is_allowed

Split = Literal["train", "heldout"]

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Package:
    """One pinned artifact: a wheel with exactly these bytes.

    Attributes:
        sha256: hex digest of the whole artifact.
        licence: SPDX expression.
        exclude: globs of paths inside the artifact that are left out.
    """

    name: str
    version: str
    file: str
    sha256: str
    licence: str
    split: Split = "train"
    exclude: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """The package as ``name==version``."""
        return f"{self.name}=={self.version}"


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one source may give.

    Attributes:
        source_bytes: UTF-8 bytes of kept text per source, at most.
        test_share: part of a source's kept bytes that its test files may hold, 0 to 1.
    """

    source_bytes: int = 8_000_000
    test_share: float = 0.25


@dataclass(frozen=True, slots=True)
class Manifest:
    """The whole manifest.

    Attributes:
        sha256: hex digest of the manifest file.
        exclude: globs that apply to every source.
        stdlib: whether the running interpreter's standard library is a source.
        stdlib_exclude: globs of the standard library that are left out.
    """

    sha256: str
    packages: tuple[Package, ...]
    exclude: tuple[str, ...] = ()
    stdlib: bool = False
    stdlib_exclude: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)


def _globs(table: Mapping[str, Any], where: str) -> tuple[str, ...]:
    value = table.get("exclude", [])
    if not isinstance(value, list) or not all(isinstance(glob, str) for glob in value):
        raise ManifestError(f"{where}: `exclude` must be a list of glob strings.")
    return tuple(value)


def _package(entry: Mapping[str, Any], path: Path) -> Package:
    words: dict[str, str] = {}
    for key in ("name", "version", "file", "sha256", "licence"):
        value = entry.get(key)
        if not isinstance(value, str) or not value:
            raise ManifestError(f"{path}: package {entry.get('name', '?')!r} needs the string `{key}`.")
        words[key] = value
    split = entry.get("split", "train")
    label = f"{words['name']}=={words['version']}"
    if split not in get_args(Split):
        raise ManifestError(f"{path}: {label} has split {split!r}; it must be 'train' or 'heldout'.")
    if not _SHA256.fullmatch(words["sha256"]):
        raise ManifestError(f"{path}: {label} needs a sha256 of 64 lower-case hex digits.")
    if not words["file"].endswith(".whl") or "/" in words["file"]:
        raise ManifestError(f"{path}: {label} must pin a wheel's file name, not {words['file']!r}.")
    if not is_allowed(words["licence"]):
        raise LicenceError(
            f"{label}: the licence {words['licence']!r} is not on the allow-list; remove the package."
        )
    return Package(**words, split=split, exclude=_globs(entry, f"{path}: {label}"))


def load_manifest(path: Path) -> Manifest:
    """Read and check a manifest.

    Args:
        path: a TOML file.

    Returns:
        The manifest, its packages sorted by name.

    Raises:
        ManifestError: the file cannot be read, or an entry is incomplete, malformed or doubled.
        LicenceError: an entry records a licence that is not on the allow-list.
    """
    try:
        raw = path.read_bytes()
        table = tomllib.loads(raw.decode("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ManifestError(f"cannot read the manifest {path}: {error}.") from error
    packages = sorted((_package(entry, path) for entry in table.get("package", [])), key=lambda p: p.name)
    names = [package.name for package in packages]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise ManifestError(f"{path}: listed more than once: {', '.join(doubled)}.")
    stdlib = table.get("stdlib", {})
    try:
        limits = Limits(**table.get("limits", {}))
    except TypeError as error:
        raise ManifestError(f"{path}: [limits] knows only `source_bytes` and `test_share`.") from error
    return Manifest(
        sha256=hashlib.sha256(raw).hexdigest(),
        packages=tuple(packages),
        exclude=_globs(table, str(path)),
        stdlib=bool(stdlib.get("include", False)),
        stdlib_exclude=_globs(stdlib, f"{path}: [stdlib]"),
        limits=limits,
    )
