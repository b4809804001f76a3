"""Fetch repositories that the shipped model was not trained on, print their folders, and measure with `cg2ls replay`.

python tools/heldout.py runs/heldout
cg2ls replay runs/heldout/*

python tools/heldout.py runs/untuned --manifest tools/untuned.toml      a second set, on which nothing is tuned
python tools/heldout.py runs/others --manifest tools/other_languages.toml
"""

from __future__ import annotations

import argparse
import sys
from fnmatch import fnmatchcase
from pathlib import Path

from cg2_training.corpus.document import SourceDocument
from cg2_training.corpus.manifest import load_manifest
from cg2_training.corpus.packages import fetch_packages
from cg2_training.corpus.readers.archives import read_npm, read_wheel
from cg2_training.corpus.readers.debian import read_debian
from cg2ls.errors import Cg2Error
from cg2ls.workspace.languages import language_of_name

MANIFEST = Path(__file__).with_name("heldout.toml")
TRAINED_ON = Path(__file__).parents[1] / "training" / "manifests" / "python-permissive.toml"


def main() -> int:
    """Download packages whose hashes the manifest pins, and unpack their code without running any."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="gets one folder per repository")
    parser.add_argument("--cache", type=Path, help="keeps the downloads (default: FOLDER/.cache)")
    parser.add_argument(
        "--manifest", type=Path, default=MANIFEST, help="packages to fetch (default: tools/heldout.toml)"
    )
    arguments = parser.parse_args()
    try:
        fetch(arguments.folder, arguments.cache or arguments.folder / ".cache", arguments.manifest)
    except Cg2Error as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


READERS = {"wheel": read_wheel, "npm": read_npm, "debian": read_debian}


def fetch(folder: Path, cache: Path, manifest: Path = MANIFEST) -> None:
    """Write the files of each package that are in the manifest's languages to a folder named after the package.

    Raises:
        Cg2Error: a package could not be downloaded, or has other bytes than the pinned ones.
    """
    pinned = load_manifest(manifest)
    files = fetch_packages(pinned.packages, cache)

    def is_wanted(path: str) -> bool:
        excluded = any(fnmatchcase(path, glob) for glob in pinned.exclude)
        return language_of_name(path) in pinned.languages and ".data/" not in path and not excluded

    for package in pinned.packages:
        for file in READERS[package.kind](files[package.name], is_wanted):
            if isinstance(file, SourceDocument) and isinstance(file.data, bytes):
                target = folder / package.name / file.path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(file.data)
        print(folder / package.name)


if __name__ == "__main__":
    sys.exit(main())
