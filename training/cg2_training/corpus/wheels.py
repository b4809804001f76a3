"""Fetch wheels with pip, check their hashes, and write the manifest entries that pin them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from email.message import Message
from pathlib import Path

from cg2_training.corpus.document import Split
from cg2_training.corpus.licences import declared_licence, is_allowed
from cg2_training.corpus.manifest import Package
from cg2_training.corpus.readers.archives import read_metadata
from cg2_training.errors import FetchError, HashMismatchError, LicenceError
from cg2ls.files import sha256_of

_DOWNLOAD_THREADS = 4


def pip_target_options(wheel_name: str) -> list[str]:
    """Return the pip options that select a wheel with exactly these tags, on any interpreter."""
    python, abi, platforms = wheel_name.removesuffix(".whl").rsplit("-", 3)[1:]
    options = ["--abi", abi, "--ignore-requires-python"]
    if python.startswith("cp") and abi == python:
        options += ["--implementation", "cp", "--python-version", f"{python[2]}.{python[3:]}"]
    for platform in platforms.split("."):
        options += ["--platform", platform]
    return options


def download_wheel(requirement: str, into: Path, options: Iterable[str] = ()) -> Path:
    """Download one wheel with pip.

    Args:
        requirement: `name` or `name==version`.
        into: an existing folder.
        options: further pip options.

    Returns:
        The path of the wheel, which keeps its name.

    Raises:
        FetchError: pip failed or downloaded no wheel.
    """
    with tempfile.TemporaryDirectory(dir=into) as scratch:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
        command += ["--no-deps", "--only-binary=:all:", "--dest", scratch, *options, requirement]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        wheels = sorted(Path(scratch).glob("*.whl"))
        if result.returncode or len(wheels) != 1:
            reason = (result.stderr.strip() or "there is no wheel").splitlines()[-1]
            raise FetchError(f"pip could not download a wheel of {requirement}: {reason}")
        target = into / wheels[0].name
        shutil.move(wheels[0], target)
    return target


def fetch_wheel(package: Package, cache: Path) -> Path:
    """Download a pinned wheel into the cache, unless it is there, and check its bytes.

    Args:
        package: a pinned package.
        cache: an existing folder.

    Returns:
        The wheel's path.

    Raises:
        FetchError: pip failed or downloaded another file than the pinned one.
        HashMismatchError: the wheel has other bytes than the manifest pins.
    """
    path = cache / package.file
    if not path.exists():
        downloaded = download_wheel(package.label, cache, pip_target_options(package.file))
        if downloaded != path:
            raise FetchError(
                f"{package.label}: the manifest pins {package.file} but pip downloaded {downloaded.name}."
            )
    actual = sha256_of(path)
    if actual != package.sha256:
        raise HashMismatchError(
            f"{package.label}: {package.file} has the sha256 {actual}, but the manifest pins "
            f"{package.sha256}; delete it from the cache and build again, or, if the release was "
            f"replaced on purpose, pin it again with `cg2-train corpus pin {package.label}`."
        )
    return path


def fetch_wheels(
    packages: Iterable[Package], cache: Path, on_fetched: Callable[[], object] = lambda: None
) -> dict[str, Path]:
    """Download all pinned wheels into the cache, a few at a time.

    Args:
        packages: pinned packages.
        cache: the folder for wheels; made if it is missing.
        on_fetched: called after each package.

    Returns:
        The wheel's path by package name.

    Raises:
        FetchError: a wheel could not be downloaded.
        HashMismatchError: a wheel has other bytes than the manifest pins.
    """
    cache.mkdir(parents=True, exist_ok=True)

    def one(package: Package) -> tuple[str, Path]:
        path = fetch_wheel(package, cache)
        on_fetched()
        return package.name, path

    with ThreadPoolExecutor(_DOWNLOAD_THREADS) as pool:
        return dict(pool.map(one, packages))


def pin_wheel(wheel: Path, split: Split = "train", licence: str | None = None) -> Package:
    """Return the manifest entry of a wheel.

    Args:
        wheel: the file.
        split: the split of its documents.
        licence: the SPDX expression if the METADATA states none.

    Raises:
        LicenceError: the licence is unknown or not on the allow-list.
        FetchError: the file is not a wheel.
    """
    metadata, text = read_metadata(wheel)
    name = _normalised_name(metadata)
    try:
        declared = declared_licence(metadata, text) or licence
    except LicenceError as error:
        raise LicenceError(f"{name}: {error}.") from error
    if declared is None:
        raise LicenceError(
            f"{name}: the METADATA names no licence; read its licence file and set the SPDX id in the manifest."
        )
    if not is_allowed(declared):
        raise LicenceError(f"{name}: the licence {declared!r} is not on the allow-list.")
    return Package(name, str(metadata["Version"]), wheel.name, sha256_of(wheel), declared, split)


def pin_requirements(requirements: Iterable[str], cache: Path, split: Split = "train") -> Iterator[Package]:
    """Download wheels and yield the manifest entry of each.

    Args:
        requirements: each `name` or `name==version`.
        cache: the folder for wheels; made if it is missing.
        split: the split of their documents.

    Raises:
        FetchError: a wheel could not be downloaded.
        LicenceError: a licence is unknown or not on the allow-list.
    """
    cache.mkdir(parents=True, exist_ok=True)
    for requirement in requirements:
        yield pin_wheel(download_wheel(requirement, cache), split)


def pin_packages(requirements: Iterable[str], cache: Path | None = None) -> str:
    """Download wheels and return the manifest tables that pin them.

    Args:
        requirements: each `name` or `name==version`.
        cache: the folder for wheels; a temporary folder by default.

    Returns:
        TOML text to paste into a manifest.

    Raises:
        FetchError: a wheel could not be downloaded.
        LicenceError: a licence is unknown or not on the allow-list.
    """
    with tempfile.TemporaryDirectory() as scratch:
        return "\n".join(map(to_toml, pin_requirements(requirements, cache or Path(scratch))))


def to_toml(package: Package) -> str:
    """Return the `[[package]]` table of a manifest entry."""
    values = {
        "name": package.name,
        "version": package.version,
        "file": package.file,
        "sha256": package.sha256,
        "licence": package.licence,
    }
    if package.split != "train":
        values["split"] = package.split
    lines = [f"{key} = {json.dumps(value)}" for key, value in values.items()]
    if package.exclude:
        lines.append(f"exclude = {json.dumps(list(package.exclude))}")
    return "\n".join(["[[package]]", *lines, ""])


def _normalised_name(metadata: Message) -> str:
    return str(metadata["Name"]).lower().replace("_", "-").replace(".", "-")
