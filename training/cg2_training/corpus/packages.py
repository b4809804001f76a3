"""Fetch and pin packages of npm and Debian; wheels are in `wheels`."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from cg2_training.corpus.licences import is_allowed
from cg2_training.corpus.manifest import Package
from cg2_training.corpus.readers.archives import declared_npm_licence, read_description
from cg2_training.corpus.readers.debian import check_parts, main_licence
from cg2_training.corpus.wheels import fetch_wheels, pin_packages, to_toml
from cg2_training.errors import CorpusError, FetchError, HashMismatchError, LicenceError
from cg2ls.files import sha256_of

NPM_PREFIX, DEBIAN_PREFIX = "npm:", "debian:"


def fetch_packages(
    packages: Iterable[Package], cache: Path, on_fetched: Callable[[], object] = lambda: None
) -> dict[str, Path]:
    """Download all pinned packages into the cache, unless they are there, and check their bytes.

    Args:
        packages: pinned packages of any kind.
        cache: folder for the files; made if it is missing.
        on_fetched: called after each package.

    Returns:
        The path by package name: of a wheel, an npm package or a .dsc file.

    Raises:
        FetchError: a package could not be downloaded.
        HashMismatchError: a file has other bytes than the manifest pins.
    """
    packages = list(packages)
    found = fetch_wheels([one for one in packages if one.kind == "wheel"], cache, on_fetched)
    for package in packages:
        if package.kind != "wheel":
            found[package.name] = _fetch(package, cache)
            on_fetched()
    return found


def _fetch(package: Package, cache: Path) -> Path:
    path = cache / package.file
    if not path.exists():
        if package.kind == "npm":
            downloaded = download_npm(f"{package.name}@{package.version}", cache)
        else:
            downloaded = download_debian(f"{package.name}={package.version}", cache)
        if downloaded != path:
            raise FetchError(
                f"{package.label}: the manifest pins {package.file}, but {downloaded.name} was downloaded."
            )
    actual = sha256_of(path)
    if actual != package.sha256:
        raise HashMismatchError(
            f"{package.label}: {package.file} has the sha256 {actual}, but the manifest pins {package.sha256}; delete"
            " it from the cache and build again."
        )
    if package.kind == "debian":
        check_parts(package.label, path)
    return path


def download_npm(requirement: str, into: Path) -> Path:
    """Download one package with `npm pack`; none of its scripts runs.

    Args:
        requirement: `name` or `name@version`.
        into: an existing folder.

    Raises:
        FetchError: npm is missing, failed or downloaded nothing.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise FetchError(f"{requirement} is an npm package, and npm is not installed; install Node.js.")
    with tempfile.TemporaryDirectory(dir=into) as scratch:
        command = [npm, "pack", "--ignore-scripts", "--silent", "--pack-destination", scratch, requirement]
        result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=scratch)
        found = sorted(Path(scratch).glob("*.tgz"))
        if result.returncode or len(found) != 1:
            reason = (result.stderr.strip() or "there is no package").splitlines()[-1]
            raise FetchError(f"npm could not download {requirement}: {reason}")
        target = into / found[0].name
        shutil.move(found[0], target)
    return target


def download_debian(requirement: str, into: Path) -> Path:
    """Download a source package and return its .dsc file; the other files are in the same folder.

    The lists of sources are read into a separate folder, so neither root nor `deb-src` lines are needed.

    Args:
        requirement: `name` or `name=version`.
        into: an existing folder.

    Raises:
        FetchError: apt-get is missing, failed or downloaded nothing.
    """
    apt = shutil.which("apt-get")
    if apt is None:
        raise FetchError(f"{requirement} is a Debian source package, and apt-get is missing; use Debian.")
    lists = into / ".apt"
    options = _own_lists(apt, lists)
    with tempfile.TemporaryDirectory(dir=into) as scratch:
        command = [apt, "--quiet=2", *options, "source", "--download-only", requirement]
        result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=scratch)
        found = sorted(Path(scratch).glob("*.dsc"))
        if result.returncode or len(found) != 1:
            lines = [line for line in result.stderr.splitlines() if line.startswith("E:")] or [
                "E: there is no source package"
            ]
            raise FetchError(f"apt-get could not download the source of {requirement}: {lines[0][3:]}")
        for path in Path(scratch).iterdir():
            shutil.move(path, into / path.name)
    return into / found[0].name


def _own_lists(apt: str, folder: Path) -> list[str]:
    """Return options that make apt-get read the sources of the configured archives; fetch their lists once."""
    sources, lists = folder / "sources.list.d", folder / "lists"
    options = [
        f"-oDir::Etc::sourcelist={folder / 'none.list'}",
        f"-oDir::Etc::sourceparts={sources}",
        f"-oDir::State::lists={lists}",
        "-oAPT::Sandbox::User=",
    ]
    if lists.exists():
        return options
    sources.mkdir(parents=True, exist_ok=True)
    etc = Path("/etc/apt")
    for path in [etc / "sources.list", *sorted((etc / "sources.list.d").glob("*"))]:
        if path.suffix in (".list", ".sources") and path.is_file():
            text = path.read_text(encoding="utf-8", errors="replace")
            text = re.sub(r"(?m)^Types:.*\bdeb\b.*$", "Types: deb-src", text)
            (sources / path.name).write_text(re.sub(r"(?m)^deb\s", "deb-src ", text), encoding="utf-8")
    (lists / "partial").mkdir(parents=True)
    result = subprocess.run([apt, *options, "update"], capture_output=True, text=True, check=False)
    if result.returncode:
        shutil.rmtree(lists)
        raise FetchError(
            f"apt-get could not read the lists of source packages: {(result.stderr.strip() or 'no reason')[-200:]}"
        )
    return options


def pin_any(requirements: Iterable[str], cache: Path | None = None) -> str:
    """Download packages and return the manifest tables that pin them.

    Args:
        requirements: `npm:name@version`, `debian:name=version`, or `name==version` of a wheel, each also without a
            version.
        cache: folder for the files; a temporary folder by default.

    Raises:
        CorpusError: a package could not be downloaded, or its licence is unknown or not on the allow-list.
    """
    tables = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = cache or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        for requirement in requirements:
            if requirement.startswith(NPM_PREFIX):
                tables.append(to_toml(pin_npm(download_npm(requirement.removeprefix(NPM_PREFIX), folder))))
            elif requirement.startswith(DEBIAN_PREFIX):
                dsc = download_debian(requirement.removeprefix(DEBIAN_PREFIX), folder)
                tables.append(to_toml(pin_debian(dsc)))
            else:
                tables.append(pin_packages([requirement], folder))
    return "\n".join(tables)


def pin_npm(path: Path) -> Package:
    """Return the manifest entry of an npm package.

    Raises:
        LicenceError: its licence is not on the allow-list.
        FetchError: the file is not an npm package.
    """
    description = read_description(path)
    licence = declared_npm_licence(description)
    if not is_allowed(licence):
        raise LicenceError(f"{description['name']}: the licence {licence!r} is not on the allow-list.")
    return Package(str(description["name"]), str(description["version"]), path.name, sha256_of(path), licence)


def pin_debian(dsc: Path) -> Package:
    """Return the manifest entry of a Debian source package.

    Raises:
        LicenceError: its licence is not on the allow-list.
        CorpusError: the file is not a source package.
    """
    version = re.search(r"(?m)^Version:\s*(\S+)$", dsc.read_text(encoding="utf-8", errors="replace"))
    if not version:
        raise CorpusError(f"{dsc.name} is not a Debian source package; delete it from the cache.")
    return Package(dsc.name.split("_")[0], version[1], dsc.name, sha256_of(dsc), main_licence(dsc))
