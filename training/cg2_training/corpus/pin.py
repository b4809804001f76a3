"""Writing manifest entries from the artifacts themselves, so that no hash is typed by hand."""

import json
import tempfile
from collections.abc import Iterable, Iterator
from email.message import Message
from pathlib import Path

from cg2_training.corpus.errors import LicenceError
from cg2_training.corpus.fetch import pip_download
from cg2_training.corpus.licences import declared, is_allowed
from cg2_training.corpus.manifest import Package, Split
from cg2_training.corpus.sources import read_metadata
from cg2ls.files import sha256_of


def pin_wheel(wheel: Path, split: Split = "train", licence: str | None = None) -> Package:
    """Describe one wheel as a manifest entry.

    Args:
        wheel: the artifact.
        split: where its files go.
        licence: the SPDX expression to record where the METADATA leaves it open.

    Returns:
        The entry.

    Raises:
        LicenceError: the licence is unknown or not on the allow-list.
        FetchError: the file is no wheel.
    """
    metadata, text = read_metadata(wheel)
    name = _canonical(metadata)
    try:
        said = declared(metadata, text) or licence
    except LicenceError as error:
        raise LicenceError(f"{name}: {error}.") from error
    if said is None:
        raise LicenceError(f"{name}: the METADATA names no licence; read it and give the SPDX id by hand.")
    if not is_allowed(said):
        raise LicenceError(f"{name}: the licence {said!r} is not on the allow-list.")
    return Package(name, str(metadata["Version"]), wheel.name, sha256_of(wheel), said, split)


def pin(requirements: Iterable[str], cache: Path, split: Split = "train") -> Iterator[Package]:
    """Download wheels and describe each as a manifest entry.

    Args:
        requirements: ``name`` or ``name==version``, each.
        cache: the folder to keep wheels in; made when missing.
        split: where their files go.

    Yields:
        One entry for each requirement, in order.

    Raises:
        FetchError: a wheel could not be had.
        LicenceError: a licence is unknown or not on the allow-list.
    """
    cache.mkdir(parents=True, exist_ok=True)
    for requirement in requirements:
        yield pin_wheel(pip_download(requirement, cache), split)


def pin_packages(requirements: Iterable[str], cache: Path | None = None) -> str:
    """Download wheels and write the manifest tables that pin them.

    Args:
        requirements: ``name`` or ``name==version``, each.
        cache: the folder to keep wheels in, none by default.

    Returns:
        TOML text to paste into a manifest.

    Raises:
        FetchError: a wheel could not be had.
        LicenceError: a licence is unknown or not on the allow-list.
    """
    with tempfile.TemporaryDirectory() as scratch:
        return "\n".join(map(to_toml, pin(requirements, cache or Path(scratch))))


def to_toml(package: Package) -> str:
    """One ``[[package]]`` table of a manifest."""
    rows = {
        "name": package.name,
        "version": package.version,
        "file": package.file,
        "sha256": package.sha256,
        "licence": package.licence,
    }
    if package.split != "train":
        rows["split"] = package.split
    lines = [f"{key} = {json.dumps(value)}" for key, value in rows.items()]
    if package.exclude:
        lines.append(f"exclude = {json.dumps(list(package.exclude))}")
    return "\n".join(["[[package]]", *lines, ""])


def _canonical(metadata: Message) -> str:
    return str(metadata["Name"]).lower().replace("_", "-").replace(".", "-")
