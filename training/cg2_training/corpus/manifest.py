"""Manifests: packages pinned by version, file, hash and licence, as sources of a collection.

A package is a wheel, an npm package or a Debian source package, by the ending of its file.
"""

import hashlib
import re
import sys
import sysconfig
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, get_args

from cg2_training.corpus.collection import Collection, SourceSpec, is_share
from cg2_training.corpus.document import Split
from cg2_training.corpus.licences import check_licence, is_allowed
from cg2_training.corpus.readers import STDLIB
from cg2_training.corpus.readers.archives import check_npm_licence, read_metadata
from cg2_training.corpus.readers.debian import check_debian_licence
from cg2_training.errors import LicenceError, ManifestError
from cg2ls.workspace.languages import LANGUAGES

STDLIB_LICENCE = "PSF-2.0"

NOT_MODULES = ("*.pyi", "*.data/*")
"""Globs of files that are not read: stubs, and a wheel's scripts and headers, which are in NAME.data."""

INSTALLED = ("*/site-packages/*", "*/dist-packages/*")
"""Globs of other packages in the standard library's folder."""

KIND_OF_ENDING = {".whl": "wheel", ".tgz": "npm", ".dsc": "debian"}
"""Kind of a pinned file, by the ending of its name."""

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Package:
    """A package with exactly these bytes.

    Attributes:
        file: name of the wheel, of the npm package, or of the .dsc file, which has the digests of its other files.
        sha256: hex digest of that file.
        licence: SPDX expression; in a Debian package that of most files, since debian/copyright decides for each.
        exclude: globs of paths inside the package that are not read.
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
        """Return the package as `name==version`."""
        return f"{self.name}=={self.version}"

    @property
    def kind(self) -> str:
        """Return the kind of source that its file is."""
        return KIND_OF_ENDING[Path(self.file).suffix]


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of each source.

    Attributes:
        source_bytes: limit of the kept UTF-8 bytes.
        test_share: limit of the part of the kept bytes that is in test files, 0 to 1.
    """

    source_bytes: int = 8_000_000
    test_share: float = 0.25


@dataclass(frozen=True, slots=True)
class Manifest:
    """Content of a manifest file.

    Attributes:
        sha256: hex digest of the manifest file.
        exclude: globs that apply to every source.
        stdlib: whether the running interpreter's standard library is a source.
        stdlib_exclude: globs of the standard library's paths that are not read.
        languages: LSP ids of the files to read.
        documentation: whether the packages' natural language becomes documents too, in files next to the code's.
    """

    sha256: str
    packages: tuple[Package, ...]
    exclude: tuple[str, ...] = ()
    stdlib: bool = False
    stdlib_exclude: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)
    languages: tuple[str, ...] = ("python",)
    documentation: bool = False


def _globs(table: Mapping[str, Any], where: str) -> tuple[str, ...]:
    value = table.get("exclude", [])
    if not isinstance(value, list) or not all(isinstance(glob, str) for glob in value):
        raise ManifestError(f"{where}: `exclude` must be a list of glob strings.")
    return tuple(value)


def _package(entry: Mapping[str, Any], path: Path) -> Package:
    strings: dict[str, str] = {}
    for key in ("name", "version", "file", "sha256", "licence"):
        value = entry.get(key)
        if not isinstance(value, str) or not value:
            raise ManifestError(f"{path}: package {entry.get('name', '?')!r} needs the string `{key}`.")
        strings[key] = value
    split = entry.get("split", "train")
    label = f"{strings['name']}=={strings['version']}"
    if split not in get_args(Split):
        raise ManifestError(f"{path}: {label} has split {split!r}; it must be 'train' or 'heldout'.")
    if not _SHA256.fullmatch(strings["sha256"]):
        raise ManifestError(f"{path}: {label} needs a sha256 of 64 lower-case hex digits.")
    if Path(strings["file"]).suffix not in KIND_OF_ENDING or "/" in strings["file"]:
        raise ManifestError(
            f"{path}: {label} must pin the file name of a wheel, of an npm package (.tgz) or of a Debian source"
            f" package (.dsc), not {strings['file']!r}."
        )
    if not is_allowed(strings["licence"]):
        raise LicenceError(
            f"{label}: the licence {strings['licence']!r} is not on the allow-list; remove the package."
        )
    return Package(**strings, split=split, exclude=_globs(entry, f"{path}: {label}"))


def _limits(table: Mapping[str, Any], path: Path) -> Limits:
    try:
        limits = Limits(**table)
    except TypeError as error:
        raise ManifestError(f"{path}: [limits] has only the keys `source_bytes` and `test_share`.") from error
    if type(limits.source_bytes) is not int or limits.source_bytes < 1:
        raise ManifestError(f"{path}: [limits] source_bytes must be a whole number, 1 or more.")
    if not is_share(limits.test_share):
        raise ManifestError(f"{path}: [limits] test_share must be a number from 0 to 1.")
    return limits


def load_manifest(path: Path) -> Manifest:
    """Read and check a manifest.

    Args:
        path: a TOML file.

    Returns:
        The manifest, its packages sorted by name.

    Raises:
        ManifestError: the file cannot be read, or an entry is incomplete, malformed or listed twice.
        LicenceError: an entry records a licence that is not on the allow-list.
    """
    try:
        raw = path.read_bytes()
        table = tomllib.loads(raw.decode("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ManifestError(f"cannot read the manifest {path}: {error}.") from error
    packages = sorted((_package(entry, path) for entry in table.get("package", [])), key=lambda p: p.name)
    names = [package.name for package in packages]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ManifestError(f"{path}: listed more than once: {', '.join(repeated)}.")
    stdlib = table.get("stdlib", {})
    return Manifest(
        sha256=hashlib.sha256(raw).hexdigest(),
        packages=tuple(packages),
        exclude=_globs(table, str(path)),
        stdlib=bool(stdlib.get("include", False)),
        stdlib_exclude=_globs(stdlib, f"{path}: [stdlib]"),
        limits=_limits(table.get("limits", {}), path),
        languages=_languages(table.get("languages", ["python"]), path),
        documentation=bool(table.get("documentation", False)),
    )


def _languages(value: Any, path: Path) -> tuple[str, ...]:
    known = sorted(set(LANGUAGES.values()))
    if not isinstance(value, list) or not value or any(one not in known for one in value):
        raise ManifestError(f"{path}: `languages` must be a list of some of {', '.join(known)}.")
    return tuple(value)


def pinned_collection(manifest: Manifest, files: Mapping[str, Path], name: str) -> Collection:
    """Return a collection of the packages that a manifest pins.

    Args:
        manifest: the packages, exclusions and limits.
        files: path of each package's file, by package name.
        name: name of the manifest's file.

    Raises:
        LicenceError: a package's own licence contradicts the manifest.
        FetchError: a file is not such a package.
    """
    for package in manifest.packages:
        _check_licence(package, files[package.name])
    sources = [_pinned_source(package, manifest, files[package.name]) for package in manifest.packages]
    if manifest.documentation:
        sources += [
            replace(one, name=f"{one.name} (text)", content="text", languages=(), max_test_share=1.0)
            for one in sources
        ]
    if manifest.stdlib:
        sources.append(_standard_library(manifest))
    return Collection(
        name,
        tuple(sorted(sources, key=lambda source: source.name)),
        layout="contents" if manifest.documentation else "splits",
        file_sha256=manifest.sha256,
    )


def _check_licence(package: Package, file: Path) -> None:
    if package.kind == "npm":
        check_npm_licence(package.label, package.licence, file)
    elif package.kind == "debian":
        check_debian_licence(package.label, package.licence, file)
    else:
        check_licence(package.label, package.licence, *read_metadata(file))


def _pinned_source(package: Package, manifest: Manifest, file: Path) -> SourceSpec:
    return SourceSpec(
        name=package.label,
        path=str(file),
        kind=package.kind,
        licence=package.licence,
        heldout=float(package.split == "heldout"),
        exclude=manifest.exclude + package.exclude + (NOT_MODULES if package.kind == "wheel" else ()),
        **_pinned_rules(manifest),
    )


def _standard_library(manifest: Manifest) -> SourceSpec:
    """Return the running interpreter's standard library as a source, such as `python==3.11.9`."""
    return SourceSpec(
        name="python==" + ".".join(map(str, sys.version_info[:3])),
        path=sysconfig.get_path("stdlib"),
        kind=STDLIB,
        licence=STDLIB_LICENCE,
        heldout=0.0,
        exclude=manifest.exclude + manifest.stdlib_exclude + INSTALLED,
        **_pinned_rules(manifest),
    )


def _pinned_rules(manifest: Manifest) -> dict[str, Any]:
    """Return the options of every pinned source; texts are never changed, so the manifest determines them."""
    return {
        "languages": manifest.languages,
        "secrets": "drop",
        "personal_data": "keep",
        "max_bytes": manifest.limits.source_bytes,
        "max_test_share": manifest.limits.test_share,
    }
