"""Fetching pinned wheels with pip, which is never asked to build or to run anything of theirs."""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cg2_training.corpus.errors import FetchError, HashMismatchError
from cg2_training.corpus.manifest import Package
from cg2ls.files import sha256_of

_THREADS = 4


def target_options(wheel_name: str) -> list[str]:
    """The pip options that select a wheel of exactly these tags, whichever interpreter runs pip."""
    python, abi, platforms = wheel_name.removesuffix(".whl").rsplit("-", 3)[1:]
    options = ["--abi", abi, "--ignore-requires-python"]
    if python.startswith("cp") and abi == python:
        options += ["--implementation", "cp", "--python-version", f"{python[2]}.{python[3:]}"]
    for platform in platforms.split("."):
        options += ["--platform", platform]
    return options


def pip_download(requirement: str, into: Path, options: Iterable[str] = ()) -> Path:
    """Download one wheel with pip.

    Args:
        requirement: ``name`` or ``name==version``.
        into: an existing folder.
        options: further pip options.

    Returns:
        Where the wheel lies, under the name that its publisher gave it.

    Raises:
        FetchError: pip failed or left no wheel.
    """
    with tempfile.TemporaryDirectory(dir=into) as scratch:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
        command += ["--no-deps", "--only-binary=:all:", "--dest", scratch, *options, requirement]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        wheels = sorted(Path(scratch).glob("*.whl"))
        if done.returncode or len(wheels) != 1:
            said = (done.stderr.strip() or "no wheel came").splitlines()[-1]
            raise FetchError(f"pip could not download a wheel of {requirement}: {said}")
        target = into / wheels[0].name
        shutil.move(wheels[0], target)
    return target


def fetch(package: Package, cache: Path) -> Path:
    """Bring one pinned wheel into the cache and check its bytes.

    Args:
        package: what the manifest pins.
        cache: an existing folder; a wheel that is already there is not downloaded again.

    Returns:
        The wheel's path.

    Raises:
        FetchError: pip failed, or brought another file than the pinned one.
        HashMismatchError: the bytes are not the pinned ones.
    """
    path = cache / package.file
    if not path.exists():
        came = pip_download(package.label, cache, target_options(package.file))
        if came != path:
            raise FetchError(
                f"{package.label}: the manifest pins {package.file} but pip brought {came.name}."
            )
    actual = sha256_of(path)
    if actual != package.sha256:
        raise HashMismatchError(
            f"{package.label}: {package.file} has the sha256 {actual}, but the manifest pins "
            f"{package.sha256}; delete it from the cache and build again, or, if the release was "
            f"replaced on purpose, pin it anew with `cg2-train corpus pin {package.label}`."
        )
    return path


def fetch_all(
    packages: Iterable[Package], cache: Path, done: Callable[[], object] = lambda: None
) -> dict[str, Path]:
    """Bring every pinned wheel into the cache, a few at a time.

    Args:
        packages: what the manifest pins.
        cache: the folder to keep wheels in; made when missing.
        done: called after each package.

    Returns:
        The wheel's path by package name.

    Raises:
        FetchError: a wheel could not be had.
        HashMismatchError: a wheel's bytes are not the pinned ones.
    """
    cache.mkdir(parents=True, exist_ok=True)

    def one(package: Package) -> tuple[str, Path]:
        path = fetch(package, cache)
        done()
        return package.name, path

    with ThreadPoolExecutor(_THREADS) as pool:
        return dict(pool.map(one, packages))
