r"""Mixture of the model's distribution with memory's votes for the next token.

Each of the nearest entries votes for the token that followed it, and the model for all tokens at once:

    p(y) = (g · p_model(y) + Σ_i w_i · [y_i = y]) / (g + Σ_i w_i)

    w_i = exp(near[source_i, length_i] + gap[longest - length_i] + agree[length_i] · (log p_model(y_i) + 4)
              - many · log n_i - spread[length_i] · log u_i)
    g   = exp(model[0] + model[1] · entropy + model[2] · likeliest + match[longest])

This is Jelinek-Mercer interpolation (1980) with a weight that grows with the observed counts, as in the cache
models of Tu et al. (2014) and Hellendoorn & Devanbu (2017). It uses nearest contexts, as kNN-LM does
(Khandelwal et al. 2020, arXiv 1911.00172). Nearness is the length of the common suffix, as in Infini-gram
(Liu et al. 2024). n_i entries match as long as entry i or longer, and u_i different tokens followed them. A
context with many different continuations is weak, as in prediction by partial matching (Cleary & Witten
1984; Witten & Bell 1991).
"""

from __future__ import annotations

import json
import math
import threading
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cg2ls.errors import Cg2Error
from cg2ls.retrieval.memory.suffix_segment import DEPTH

if TYPE_CHECKING:
    from numpy.typing import NDArray


Source = int
DOCUMENT, NEAR, WORKSPACE, INSTALLED = range(4)
"""Sources of entries: the document itself; its folder, a recently changed file or another open document; any
other file; an installed package."""

FARTHER = 1.0
"""Difference of the log-weights of the workspace's other files and of installed packages
(docs/design/memory.md)."""

LENGTHS = np.array([0, 1, 2, 3, 4, 5, 6, 7, 8, 8, 9, 9, *[10] * 4, *[11] * 8, *[12] * 8, 13])
"""Classes of match lengths 0 to DEPTH; longer matches are rarer, so they share a class."""

GAPS = 9
"""Classes of the difference between a match's length and the longest; the last class has all greater ones."""

MIN_LOG_PROBABILITY = -12.0
"""Minimum log-probability for `agree`; less likely tokens count as if they had it."""

FORMAT = 1
N_LENGTHS = int(LENGTHS[DEPTH]) + 1


class MixtureError(Cg2Error):
    """A file of fitted weights is not usable."""


@dataclass(eq=False)  # not frozen, which takes a microsecond a field
class Votes:
    """Entries found for a context with at least one token in common, the shortest matches first.

    Attributes:
        tokens: token after each entry's context, [n].
        lengths: tokens in common, 1 to DEPTH, rising, [n].
        sources: source of each entry, [n].
    """

    tokens: NDArray[np.int64]
    lengths: NDArray[np.int64]
    sources: NDArray[np.int64]

    @cached_property
    def longest_of_token(self) -> NDArray[np.int64]:
        """For each vote the number of the last one for the same token, which is one of the longest, [n]."""
        number_of = _scratch()
        # If a token occurs twice, the last vote stays.
        number_of[self.tokens] = _NUMBERS[: len(self.tokens)]
        return number_of[self.tokens]

    @cached_property
    def crowd(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Logarithms of the number of votes that match a length or longer, and of their tokens, [DEPTH + 1] each."""
        of_tokens = self.lengths[self.longest_of_token == _NUMBERS[: len(self.tokens)]]
        return _log_as_long(self.lengths), _log_as_long(of_tokens)


def _log_as_long(lengths: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the logarithm of the number of lengths of at least 0, 1, ... tokens, [DEPTH + 1]."""
    return np.asarray(_LOGARITHMS[len(lengths) :: -1][lengths.searchsorted(_EACH_LENGTH)])


def _scratch() -> NDArray[np.int64]:
    """Return this thread's own buffer with one number per token of the vocabulary."""
    room: NDArray[np.int64] | None = getattr(_own, "room", None)
    if room is None:
        room = _own.room = np.zeros(1 << 16, np.int64)
    return room


_own = threading.local()
_EACH_LENGTH = np.arange(DEPTH + 1)
_NUMBERS = np.arange(4096)
_LOGARITHMS = np.log(np.maximum(_NUMBERS, 1))


@dataclass(frozen=True)
class Mixture:
    """Fitted weights, all as logarithms.

    Attributes:
        near: weights by source and class of length, [3, N_LENGTHS].
        gap: weights by class of the difference to the longest length, [GAPS].
        agree: weights by class of length, [N_LENGTHS].
        many: weight per logarithm of the number of matches as long, [1].
        spread: weights per logarithm of the number of tokens after those, by class of length, [N_LENGTHS].
        model: the model's weights: constant, per nat of entropy, per probability of the likeliest token, [3].
        match: the model's weights by class of the longest length, [N_LENGTHS].
    """

    near: NDArray[np.float64]
    gap: NDArray[np.float64]
    agree: NDArray[np.float64]
    many: NDArray[np.float64]
    spread: NDArray[np.float64]
    model: NDArray[np.float64]
    match: NDArray[np.float64]

    @cached_property
    def _by_length(self) -> tuple[NDArray[np.float64], ...]:
        """Tables of the terms that depend on a vote alone, by length instead of its class.

        `near` and 4 times `agree` [4, DEPTH + 1], where INSTALLED, which is not fitted, has a row too; `agree` and
        `spread` [DEPTH + 1]; `gap` by the longest length and the vote's own [DEPTH + 1, DEPTH + 1].
        """
        agree = self.agree[LENGTHS]
        near = np.vstack([self.near, self.near[WORKSPACE] - FARTHER])[:, LENGTHS] + 4 * agree
        shorter = np.maximum(np.arange(DEPTH + 1)[:, None] - np.arange(DEPTH + 1), 0)
        return near, agree, self.spread[LENGTHS], self.gap[np.minimum(shorter, GAPS - 1)]

    def weights(
        self, votes: Votes, token_logprobs: NDArray[Any], entropy: float, likeliest: float
    ) -> tuple[NDArray[np.float64], float]:
        """Return each vote's weight and the model's own, not normalized.

        Args:
            votes: at least one.
            token_logprobs: the model's log-probabilities of `votes.tokens`, in nats.
            entropy: entropy of the model's distribution, in nats.
            likeliest: the model's highest probability.
        """
        near, agree, spread, gaps = self._by_length
        lengths, longest = votes.lengths, int(votes.lengths[-1])
        many, kinds = votes.crowd
        by_source = near + (gaps[longest] - float(self.many[0]) * many - spread * kinds)
        agreement = agree[lengths] * np.maximum(token_logprobs, MIN_LOG_PROBABILITY)
        weights = np.exp(by_source[votes.sources, lengths] + agreement)
        model = self.model[0] + self.model[1] * entropy + self.model[2] * likeliest
        return weights, float(np.exp(model + self.match[LENGTHS[longest]]))

    def mix(self, votes: Votes, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the log-probabilities of all tokens after the votes, float32 [vocab]."""
        mixed: NDArray[np.float32] = logits - np.maximum.reduce(logits)
        exponentials = np.exp(mixed)
        total = float(np.add.reduce(exponentials))
        normalizer = math.log(total) if total > 0 else math.nan
        tokens = votes.tokens
        if not len(tokens) or not math.isfinite(normalizer):
            return np.subtract(mixed, np.float32(normalizer))
        entropy = normalizer - float(exponentials @ mixed) / total
        weights, own = self.weights(votes, mixed[tokens] - np.float32(normalizer), entropy, 1 / total)
        everything = own + float(np.add.reduce(weights))
        mixed -= np.float32(normalizer - math.log(own / everything))
        alike = votes.longest_of_token
        voted = np.bincount(alike, weights)[alike]
        mixed[tokens] = np.log(exponentials[tokens] * (own / total) + voted) - math.log(everything)
        return mixed

    def to_json(self) -> str:
        """Return the weights as JSON."""
        rounded = {name: np.round(value, 3).tolist() for name, value in asdict(self).items()}
        return json.dumps({"format": FORMAT, **rounded}, indent=1) + "\n"

    @classmethod
    def read(cls, file: Path) -> Mixture:
        """Read weights from a file.

        Raises:
            MixtureError: it is missing, or not of this version's shape.
        """
        try:
            raw: Any = json.loads(file.read_text("utf-8"))
            if raw["format"] != FORMAT:
                raise ValueError("of another version")
            made = cls(**{name: np.array(raw[name], np.float64) for name in SHAPES})
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise MixtureError(
                f"{file} contains no weights of memory ({error}); run cg2ls memory tune."
            ) from None
        for name, shape in SHAPES.items():
            value = getattr(made, name)
            if value.shape != shape or not np.isfinite(value).all():
                raise MixtureError(f"{file}: {name} is not {shape} finite numbers; run cg2ls memory tune.")
        return made


SHAPES = {
    "near": (3, N_LENGTHS),
    "gap": (GAPS,),
    "agree": (N_LENGTHS,),
    "many": (1,),
    "spread": (N_LENGTHS,),
    "model": (3,),
    "match": (N_LENGTHS,),
}


def shipped() -> Mixture:
    """Return the shipped weights, fitted for the shipped model."""
    return Mixture.read(Path(__file__).with_name("mixture.json"))
