"""Finding copies and near copies of a text."""

import hashlib
import importlib
import re
from typing import Any

from cg2_training.corpus.errors import CorpusError

SEED = 7
PERMUTATIONS = 128
BANDS = 32
SHINGLE_WORDS = 5
THRESHOLD = 0.8

_WORD = re.compile(r"\w+")


def _rensa() -> Any:
    try:
        return importlib.import_module("rensa")
    except ModuleNotFoundError as error:
        raise CorpusError("near-duplicate search needs the package rensa; install it with pip.") from error


def exact_key(text: str) -> bytes:
    """A digest that two texts share when they differ in white space alone."""
    return hashlib.sha256("".join(text.split()).encode()).digest()


def signature(text: str) -> Any:
    """The MinHash of a text's runs of five words, from 128 permutations."""
    words = _WORD.findall(text)
    shingles = set(map(" ".join, zip(*(words[offset:] for offset in range(SHINGLE_WORDS)), strict=False)))
    minhash = _rensa().RMinHash(PERMUTATIONS, SEED)
    minhash.update(sorted(shingles or {" ".join(words)}))
    return minhash


class SeenTexts:
    """Texts met so far, asked whether a new one repeats one of them.

    Attributes:
        threshold: estimated Jaccard similarity, 0 to 1, from which two texts count as near copies.
    """

    def __init__(self, threshold: float = THRESHOLD) -> None:
        self.threshold = threshold
        self._exact: set[bytes] = set()
        self._kept: list[Any] = []
        self._index = _rensa().RMinHashLSH(threshold, PERMUTATIONS, BANDS)

    def repeats(self, key: bytes, minhash: Any) -> str | None:
        """Say how a text repeats an earlier one, and remember it when it does not.

        Args:
            key: the text's `exact_key`.
            minhash: the text's `signature`.

        Returns:
            ``"exact duplicate"``, ``"near duplicate"`` or None.
        """
        if key in self._exact:
            return "exact duplicate"
        near = any(minhash.jaccard(self._kept[k]) >= self.threshold for k in self._index.query(minhash))
        if near:
            return "near duplicate"
        self._exact.add(key)
        self._index.insert(len(self._kept), minhash)
        self._kept.append(minhash)
        return None
