"""Building a training corpus from pinned, permissively licensed Python packages."""

from cg2_training.corpus.build import CorpusReport, SourceCount, build_corpus
from cg2_training.corpus.errors import (
    CorpusError,
    FetchError,
    HashMismatchError,
    LicenceError,
    ManifestError,
)
from cg2_training.corpus.manifest import Package, load_manifest
from cg2_training.corpus.pin import pin, pin_packages, pin_wheel, to_toml

__all__ = [
    "CorpusError",
    "CorpusReport",
    "FetchError",
    "HashMismatchError",
    "LicenceError",
    "ManifestError",
    "Package",
    "SourceCount",
    "build_corpus",
    "load_manifest",
    "pin",
    "pin_packages",
    "pin_wheel",
    "to_toml",
]
