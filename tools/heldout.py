"""Fetch repositories that the shipped model was not trained on, print their folders, and measure with `cg2ls replay`.

python tools/heldout.py runs/heldout
cg2ls replay runs/heldout/*

python tools/heldout.py runs/untuned --manifest tools/untuned.toml      a second set, on which nothing is tuned
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from cg2_training.corpus.document import SourceDocument
from cg2_training.corpus.manifest import load_manifest
from cg2_training.corpus.readers.archives import read_wheel
from cg2_training.corpus.wheels import fetch_wheels
from cg2ls.errors import Cg2Error

MANIFEST = Path(__file__).with_name("heldout.toml")
TRAINED_ON = Path(__file__).parents[1] / "training" / "manifests" / "python-permissive.toml"


def main() -> int:
    """Download wheels whose hashes the manifest pins, and unpack their Python files without running any."""
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


def fetch(folder: Path, cache: Path, manifest: Path = MANIFEST) -> None:
    """Write every package's Python files to a folder named after the package.

    Raises:
        Cg2Error: a package could not be downloaded, or has other bytes than the pinned ones.
    """
    for name, wheel in fetch_wheels(load_manifest(manifest).packages, cache).items():
        for file in read_wheel(wheel, lambda path: path.endswith(".py") and ".data/" not in path):
            if isinstance(file, SourceDocument) and isinstance(file.data, bytes):
                target = folder / name / file.path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(file.data)
        print(folder / name)


if __name__ == "__main__":
    sys.exit(main())
