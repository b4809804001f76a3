"""Python files of the packages installed on this machine whose licence allows training."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

from tqdm import tqdm

from cg2_training.corpus.cleaning import clean_python
from cg2_training.corpus.dedup import exact_key
from cg2_training.corpus.licences import declared_licence, is_allowed
from cg2_training.corpus.rules.quality import is_excluded
from cg2_training.errors import LicenceError

EXCLUDED = ("*/_vendor/*", "*/vendor/*", "*/vendored/*", "*/third_party/*", "*/extern/*", "*/externals/*")
"""Folders with copies of other projects' code, which have their own licences."""

MAX_PACKAGE_BYTES = 40_000_000
"""Maximum text of one package in bytes, so that none dominates."""


@dataclass
class Added:
    """Added package: its name and version, its licence, and its number of kept files and UTF-8 bytes."""

    label: str
    licence: str
    files: int = 0
    bytes: int = 0


def read_installed_documents(
    names: Iterable[str] | None, known: set[bytes], held_out: Iterable[str], added: list[Added]
) -> Iterator[str]:
    """Yield clean texts of installed packages that are not known yet.

    Args:
        names: packages to read; None for all.
        known: `exact_key` of every text in the corpus, including held-out texts; new texts are added.
        held_out: packages that must not be trained on.
        added: list that gets an entry for each package with new texts.
    """
    chosen = None if names is None else {_normalize(name) for name in names}
    excluded_names = {_normalize(name) for name in held_out}
    for distribution in tqdm(sorted(distributions(), key=_package_name), desc="installed", unit="package"):
        name = _normalize(_package_name(distribution))
        licence = permitted_licence(distribution)
        if licence is None or name in excluded_names or (chosen is not None and name not in chosen):
            continue
        entry = Added(f"{name}=={distribution.version}", licence)
        for text in _read_texts(distribution, licence):
            key = exact_key(text)
            if key in known or entry.bytes > MAX_PACKAGE_BYTES:
                continue
            known.add(key)
            entry.files += 1
            entry.bytes += len(text.encode())
            yield text
        if entry.files:
            added.append(entry)


def permitted_licence(distribution: Distribution) -> str | None:
    """Return the SPDX expression of a distribution's licence if it is permissive, else None."""
    metadata: Any = distribution.metadata
    texts = [
        path
        for path in distribution.files or ()
        if "licen" in path.name.lower() and ".dist-info" in str(path)
    ]
    try:
        text = Path(str(texts[0].locate())).read_text("utf-8", "replace") if texts else ""
        licence = declared_licence(metadata, text)
    except (LicenceError, OSError):
        return None
    return licence if licence is not None and is_allowed(licence) else None


def describe_added(added: Iterable[Added]) -> list[dict[str, Any]]:
    """Return the added packages for JSON."""
    return [asdict(entry) for entry in added]


def _read_texts(distribution: Distribution, licence: str) -> Iterator[str]:
    for path in distribution.files or ():
        if path.suffix != ".py" or ".data" in path.parts or is_excluded(path.as_posix(), EXCLUDED):
            continue
        try:
            data = Path(str(path.locate())).read_bytes()
        except OSError:
            continue
        text = clean_python(data, path.as_posix(), licence)
        if text is not None:
            yield text


def _package_name(distribution: Distribution) -> str:
    return str(distribution.metadata["Name"] or "")


def _normalize(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")
