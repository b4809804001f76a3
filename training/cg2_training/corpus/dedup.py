"""Search for exact and near copies of a text."""

import hashlib
import importlib
import re
from typing import Any

from cg2_training.errors import CorpusError

MINHASH_SEED = 7
MINHASH_PERMUTATIONS = 128
LSH_BANDS = 32
SHINGLE_WORDS = 5
MIN_SIMILARITY = 0.8
"""Estimated Jaccard similarity, 0 to 1, from which two texts count as near copies."""

_WORD = re.compile(r"\w+")


def _rensa() -> Any:
    try:
        return importlib.import_module("rensa")
    except ModuleNotFoundError as error:
        raise CorpusError("near-duplicate search needs the package rensa; install it with pip.") from error


def exact_key(text: str) -> bytes:
    """Return a digest that is the same for texts that differ only in white space."""
    return hashlib.sha256("".join(text.split()).encode()).digest()


def signature(text: str) -> Any:
    """Return the MinHash of a text's runs of five words, with 128 permutations."""
    words = _WORD.findall(text)
    shingles = set(map(" ".join, zip(*(words[offset:] for offset in range(SHINGLE_WORDS)), strict=False)))
    minhash = _rensa().RMinHash(MINHASH_PERMUTATIONS, MINHASH_SEED)
    minhash.update(sorted(shingles or {" ".join(words)}))
    return minhash


class SeenTexts:
    """Index of earlier texts that finds repeats.

    Attributes:
        min_similarity: estimated Jaccard similarity, 0 to 1, from which two texts count as near copies.
    """

    def __init__(self, min_similarity: float = MIN_SIMILARITY) -> None:
        self.min_similarity = min_similarity
        self._exact: set[bytes] = set()
        self._kept: list[Any] = []
        self._index = _rensa().RMinHashLSH(min_similarity, MINHASH_PERMUTATIONS, LSH_BANDS)

    def repeats(self, key: bytes, minhash: Any) -> str | None:
        """Return how a text repeats an earlier one; remember the text if it does not.

        Args:
            key: the text's `exact_key`.
            minhash: the text's `signature`.

        Returns:
            "exact duplicate", "near duplicate" or None.
        """
        if key in self._exact:
            return "exact duplicate"
        similar = self._index.query(minhash)
        if any(minhash.jaccard(self._kept[number]) >= self.min_similarity for number in similar):
            return "near duplicate"
        self._exact.add(key)
        self._index.insert(len(self._kept), minhash)
        self._kept.append(minhash)
        return None
