"""Fit the mixture to a repository by gradient descent on the bits per token, and measure the gain on held-out files."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from cg2ls.errors import Cg2Error
from cg2ls.retrieval.memory.vote_mixture import (
    GAPS,
    LENGTHS,
    MIN_LOG_PROBABILITY,
    N_LENGTHS,
    SHAPES,
    Mixture,
    shipped,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

BATCH_SIZE = 1024
EPOCHS = 20
LEARNING_RATE = 0.03
"""Learning rate of Adam (Kingma & Ba 2015, arXiv 1412.6980); it decays to zero."""

SMOOTHNESS = 2e-4
"""Weight of the penalty on differences between neighbouring lengths, since rare ones see few examples."""


MIN_SOURCE_GAP = 0.1
"""Minimum difference between the log-weights of a nearer and a farther source."""


@dataclass(frozen=True)
class Examples:
    """Positions with their votes, padded to one width; padding has length 0.

    Attributes:
        tokens: token of each vote, [n, votes].
        lengths: tokens in common, [n, votes].
        sources: source of each vote, [n, votes].
        logprobs: the model's log-probability of the tokens voted for, [n, votes].
        many: `Votes.crowd`'s first part at each vote's length, [n, votes].
        kinds: `Votes.crowd`'s second part, likewise, [n, votes].
        truth: the true token, [n].
        truth_logprob: the model's log-probability of it, [n].
        entropy: entropy of the model's distribution in nats, [n].
        likeliest: the model's highest probability, [n].
        file: file of each position, [n].
    """

    tokens: NDArray[np.int64]
    lengths: NDArray[np.int64]
    sources: NDArray[np.int64]
    logprobs: NDArray[np.float64]
    many: NDArray[np.float64]
    kinds: NDArray[np.float64]
    truth: NDArray[np.int64]
    truth_logprob: NDArray[np.float64]
    entropy: NDArray[np.float64]
    likeliest: NDArray[np.float64]
    file: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.truth)

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Examples:
        """Return some of the positions."""
        return Examples(**{name: getattr(self, name)[rows] for name in self.__dataclass_fields__})


def flat_start() -> Mixture:
    """Return initial weights, which depend on the match length alone."""
    near = np.tile(np.linspace(-3, 3, N_LENGTHS), (3, 1))
    zeros = {name: np.zeros(shape) for name, shape in SHAPES.items() if name != "near"}
    return Mixture(near=near, **zeros)


def bits_per_token(mixture: Mixture | None, examples: Examples) -> NDArray[np.float64]:
    """Return the cost of each position in bits, [n]; None means the model alone."""
    if mixture is None:
        return np.asarray(-examples.truth_logprob / np.log(2))
    probability, *_ = _forward(mixture, examples)
    return np.asarray(-np.log2(probability))


def fit(examples: Examples, start: Mixture | None = None, *, epochs: int = EPOCHS, seed: int = 0) -> Mixture:
    """Find the mixture with the fewest bits per example.

    Args:
        examples: at least one.
        start: initial weights.
        epochs: rounds over the examples.
        seed: seed of their order.
    """
    begun = start or flat_start()
    values = {name: getattr(begun, name).copy() for name in SHAPES}
    first = {name: np.zeros_like(value) for name, value in values.items()}
    second = {name: np.zeros_like(value) for name, value in values.items()}
    random = np.random.default_rng(seed)
    steps = epochs * -(-len(examples) // BATCH_SIZE)
    done = 0
    for _ in range(epochs):
        order = random.permutation(len(examples))
        for low in range(0, len(examples), BATCH_SIZE):
            gradient = _gradient(Mixture(**values), examples.take(order[low : low + BATCH_SIZE]))
            done += 1
            rate = LEARNING_RATE * (1 - (done - 1) / steps)
            for name, slope in gradient.items():
                first[name] += 0.1 * (slope - first[name])
                second[name] += 0.01 * (slope**2 - second[name])
                mean, square = first[name] / (1 - 0.9**done), second[name] / (1 - 0.99**done)
                values[name] -= rate * mean / (np.sqrt(square) + 1e-8)
    return ordered(Mixture(**values))


def ordered(mixture: Mixture) -> Mixture:
    """Return the mixture with nearer sources heavier at each length, by at least MIN_SOURCE_GAP.

    Lengths with few examples can suggest another order. There, the sources that are out of order get their
    mean (pool adjacent violators, Ayer et al. 1955).
    """
    steps = MIN_SOURCE_GAP * np.arange(len(mixture.near))[:, None]
    return replace(mixture, near=np.apply_along_axis(_non_increasing, 0, mixture.near + steps) - steps)


def _non_increasing(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the nearest non-increasing numbers by least squares."""
    pools: list[tuple[float, int]] = []
    for value in values.tolist():
        pools.append((value, 1))
        while len(pools) > 1 and pools[-2][0] < pools[-1][0]:
            (one, many), (other, more) = pools.pop(), pools.pop()
            pools.append(((one * many + other * more) / (many + more), many + more))
    return np.repeat([mean for mean, _ in pools], [count for _, count in pools])


def _forward(
    mixture: Mixture, examples: Examples
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the truth's probability [n], the votes' weights [n, votes], the model's [n] and their sum [n]."""
    lengths, gaps, agreement, longest = _terms(examples)
    weights = np.exp(
        mixture.near[examples.sources, lengths]
        + mixture.gap[gaps]
        + mixture.agree[lengths] * agreement
        - mixture.many * examples.many
        - mixture.spread[lengths] * examples.kinds
    ) * (examples.lengths > 0)
    features = _features(examples)
    own = np.exp(features @ mixture.model + mixture.match[longest])
    total = own + weights.sum(axis=1)
    right = examples.tokens == examples.truth[:, None]
    mass = own * np.exp(examples.truth_logprob) + (weights * right).sum(axis=1)
    return np.maximum(mass / total, 1e-12), weights, own, total


def _gradient(mixture: Mixture, examples: Examples) -> dict[str, NDArray[np.float64]]:
    """Return the gradient of the mean cost in nats and of the smoothness penalty."""
    probability, weights, own, total = _forward(mixture, examples)
    lengths, gaps, agreement, longest = _terms(examples)
    right = examples.tokens == examples.truth[:, None]
    scale = 1 / (len(examples) * total)
    votes = weights * (1 - right / probability[:, None]) * scale[:, None]
    model = own * (1 - np.exp(examples.truth_logprob) / probability) * scale
    near = np.zeros(SHAPES["near"])
    np.add.at(near, (examples.sources, lengths), votes)
    return {
        "near": near + _smoothing(mixture.near),
        "gap": np.bincount(gaps.ravel(), votes.ravel(), GAPS) + _smoothing(mixture.gap),
        "agree": np.bincount(lengths.ravel(), (votes * agreement).ravel(), N_LENGTHS)
        + _smoothing(mixture.agree),
        "many": np.array([-(votes * examples.many).sum()]),
        "spread": np.bincount(lengths.ravel(), -(votes * examples.kinds).ravel(), N_LENGTHS)
        + _smoothing(mixture.spread),
        "model": _features(examples).T @ model,
        "match": np.bincount(longest, model, N_LENGTHS) + _smoothing(mixture.match),
    }


def _terms(
    examples: Examples,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
    longest = examples.lengths.max(axis=1)
    gaps = np.minimum(longest[:, None] - examples.lengths, GAPS - 1)
    agreement = np.maximum(examples.logprobs, MIN_LOG_PROBABILITY) + 4
    return LENGTHS[examples.lengths], gaps, agreement, LENGTHS[longest]


def _features(examples: Examples) -> NDArray[np.float64]:
    return np.stack([np.ones(len(examples)), examples.entropy, examples.likeliest], axis=1)


def _smoothing(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the gradient of the squared differences between neighbouring classes."""
    steps = np.diff(values, axis=-1)
    slope = np.zeros_like(values)
    slope[..., :-1] -= steps
    slope[..., 1:] += steps
    return SMOOTHNESS * slope


FOLDS = 4
"""Parts of the files; each is held out once."""

MIN_TOKENS = 500
"""Minimum number of tokens for a meaningful fit."""


class TuneError(Cg2Error):
    """There is too little text for a fit of the mixture."""


@dataclass(frozen=True)
class FitReport:
    """Result of a fit.

    Attributes:
        mixture: mixture fitted to everything, starting from the package's weights.
        tokens: tokens it was fitted to.
        alone: bits per held-out token of the model alone.
        shipped: bits with the package's weights.
        fitted: bits with weights fitted to the other files.
    """

    mixture: Mixture
    tokens: int
    alone: float
    shipped: float
    fitted: float

    @property
    def helps(self) -> bool:
        """Whether fitting, and memory itself, lower the bits per token of held-out files."""
        return self.fitted < min(self.shipped, self.alone)

    def to_json(self) -> dict[str, Any]:
        """Return the numbers as JSON."""
        return {
            "tokens": self.tokens,
            "bits_per_token": {
                "model alone": round(self.alone, 3),
                "with the package's weights": round(self.shipped, 3),
                "with fitted weights, files held out": round(self.fitted, 3),
            },
            "helps": self.helps,
        }


def fit_and_validate(examples: Examples) -> FitReport:
    """Fit with files held out in turn, and once to everything.

    Raises:
        TuneError: there are too few tokens, or all of one file.
    """
    files = np.unique(examples.file)
    if len(examples) < MIN_TOKENS or len(files) < FOLDS:
        raise TuneError(
            f"There are {len(examples)} tokens of {len(files)} files to learn from, but at least {MIN_TOKENS} of"
            f" {FOLDS} files are needed; name more text, or use more places."
        )
    fold = np.searchsorted(files, examples.file) % FOLDS
    held_out = np.empty(len(examples))
    for number in range(FOLDS):
        out = fold == number
        held_out[out] = bits_per_token(fit(examples.take(~out), shipped()), examples.take(out))
    return FitReport(
        mixture=fit(examples, shipped()),
        tokens=len(examples),
        alone=float(bits_per_token(None, examples).mean()),
        shipped=float(bits_per_token(shipped(), examples).mean()),
        fitted=float(held_out.mean()),
    )
