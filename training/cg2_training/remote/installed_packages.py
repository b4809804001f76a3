"""Python files of the packages installed on this machine, where their licence allows training on them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

from tqdm import tqdm

from cg2_training.corpus.cleaning import clean_python
from cg2_training.corpus.dedup import exact_key
from cg2_training.corpus.errors import LicenceError
from cg2_training.corpus.licences import declared_licence, is_allowed
from cg2_training.corpus.rules.quality import is_excluded

EXCLUDED = ("*/_vendor/*", "*/vendor/*", "*/vendored/*", "*/third_party/*", "*/extern/*", "*/externals/*")
"""Copies of other projects' code, which have licences of their own."""

MAX_PACKAGE_BYTES = 40_000_000
"""Of one package, so that none dominates."""


@dataclass
class Added:
    """One installed package that was added: its licence, and the files and UTF-8 bytes kept of it."""

    label: str
    licence: str
    files: int = 0
    bytes: int = 0


def read_installed_documents(
    names: Iterable[str] | None, known: set[bytes], held_out: Iterable[str], added: list[Added]
) -> Iterator[str]:
    """Clean texts of installed packages that repeat nothing that is known.

    Args:
        names: packages to read; None for all of them.
        known: `exact_key` of every text that is in the corpus already, held out ones included; grows.
        held_out: packages that must not be trained on.
        added: gets an entry for each package that gave something.
    """
    chosen = None if names is None else {_plain(name) for name in names}
    barred = {_plain(name) for name in held_out}
    for distribution in tqdm(sorted(distributions(), key=_name), desc="installed", unit="package"):
        name = _plain(_name(distribution))
        licence = permitted_licence(distribution)
        if licence is None or name in barred or (chosen is not None and name not in chosen):
            continue
        entry = Added(f"{name}=={distribution.version}", licence)
        for text in _texts(distribution, licence):
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
    """SPDX expression of a distribution's licence if it is on the permissive list, else None."""
    metadata: Any = distribution.metadata
    texts = [
        path
        for path in distribution.files or ()
        if "licen" in path.name.lower() and ".dist-info" in str(path)
    ]
    try:
        text = Path(str(texts[0].locate())).read_text("utf-8", "replace") if texts else ""
        said = declared_licence(metadata, text)
    except (LicenceError, OSError):
        return None
    return said if said is not None and is_allowed(said) else None


def report_of(added: Iterable[Added]) -> list[dict[str, Any]]:
    """For JSON."""
    return [asdict(entry) for entry in added]


def _texts(distribution: Distribution, licence: str) -> Iterator[str]:
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


def _name(distribution: Distribution) -> str:
    return str(distribution.metadata["Name"] or "")


def _plain(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")
